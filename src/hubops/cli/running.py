"""Running a command's coroutine so that ^C and SIGTERM end it cleanly, and soon."""

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from hubops.clients import process
from hubops.errors import HubopsError

T = TypeVar("T")
# Whoever asked waits five seconds before they kill (DESIGN, section 7; a CI runner's and Docker's habit is ten).
_LIMIT_S = 4.5


class InterruptedRunError(HubopsError):
    """Somebody ended the run; the exit code is that of shells, 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"ended by {signal.Signals(number).name}",
            why="what was begun is left as it is",
            hint="Run the same command again: it goes on from there.",
        )
        self.exit_code = 128 + number


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`. After a signal the coroutine is cancelled and may tidy up, but not for long.

    Raises:
        InterruptedRunError: SIGINT or SIGTERM came.
    """
    return asyncio.run(_guarded(main))


async def _guarded(main: Coroutine[Any, Any, T]) -> T:
    loop, task, came = asyncio.get_running_loop(), asyncio.ensure_future(main), list[int]()

    def stop(number: int) -> None:
        if not came:
            came.append(number)
            hurry = threading.Timer(_LIMIT_S, _give_up, [number])
            hurry.daemon = True
            hurry.start()
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except BaseException:
        # A failure that the ending caused is not the news.
        if came:
            raise InterruptedRunError(came[0]) from None
        raise


def _give_up(number: int) -> None:
    """From a thread, whatever the others do: no buffered stream, which one of them may hold."""
    os.write(2, f"error: {InterruptedRunError(number)}\n".encode())
    process.kill_all()
    os._exit(128 + number)
