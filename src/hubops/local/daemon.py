"""Programs that go on running after us: Docker and BuildKit on a machine without a service manager."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from hubops.clients import process
from hubops.deadline import Deadline
from hubops.errors import MachineError

_POLL_S = 0.1


async def ensure_running(
    name: str,
    argv: Sequence[str | Path],
    answers: Callable[[], Awaitable[bool]],
    directory: Path,
    limit_s: float = 60,
) -> bool:
    """Start a daemon unless it answers; it survives us. Returns whether it was started.

    Writes `<directory>/<name>.pid` and `.log`. One that runs but does not answer is ended first.

    Raises:
        MachineError: it ended, or did not answer within `limit_s` seconds.
    """
    if await answers():
        return False
    directory.mkdir(parents=True, exist_ok=True)
    await stop(name, directory)
    log = directory / f"{name}.log"
    with log.open("ab") as output:
        child = await asyncio.create_subprocess_exec(
            *map(str, argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=process.environment(),
        )
    (directory / f"{name}.pid").write_text(str(child.pid))
    deadline = Deadline(limit_s)
    while not await answers():
        if child.returncode is not None or deadline.passed:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise MachineError(
                f"{name} does not answer", where=str(log), why=tail, hint="Read the log, then try again."
            )
        await asyncio.sleep(_POLL_S)
    return True


async def stop(name: str, directory: Path) -> None:
    """End the daemon that `ensure_running` started, if it runs; wait until it is gone, 30 seconds at most."""
    file = directory / f"{name}.pid"
    pid = _own_pid(file, name)
    if pid is None:
        return
    deadline = Deadline(30)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while _own_pid(file, name) and not deadline.passed:
            await asyncio.sleep(_POLL_S)
        os.kill(pid, signal.SIGKILL)
    file.unlink(missing_ok=True)


def _own_pid(file: Path, name: str) -> int | None:
    """The recorded process, provided that it still is that program: numbers are used again after a restart."""
    try:
        pid = int(file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if any(Path(word.decode()).name.startswith(name) for word in words[:2] if word) else None
