"""Running outside programs: output line by line, nobody left behind on cancellation."""

import asyncio
import contextlib
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubops.errors import MachineError, ProgramError

_TAIL_LINES = 20
_STOP_GRACE_S = 2.0
_LINE_LIMIT = 1 << 24
# What we are given as text in the environment, and no program but the one it is for.
_OURS = re.compile("SOPS_AGE_KEY|HUBOPS_AGE_KEY_.*|HUBOPS_KUBECONFIG|DOCKER_AUTH_CONFIG")
_running: set[asyncio.subprocess.Process] = set()


@dataclass(frozen=True)
class Finished:
    """An ended program. `tail` is the last lines of both outputs, in the order they came."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    tail: str


async def attempt(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    keys: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    grace_s: float = _STOP_GRACE_S,
) -> Finished:
    """Run a program to its end and return what it said, whatever its exit code.

    `env` (default: ours) is handed on without private keys and logins; of those it gets only `keys`.

    The child stays in our process group. When the caller is cancelled the child gets
    SIGTERM, `grace_s` seconds, then SIGKILL, and is awaited before the cancellation goes on.

    Raises:
        MachineError: the program does not exist or may not be executed.
    """
    words = tuple(str(word) for word in argv)
    try:
        child = await asyncio.create_subprocess_exec(
            *words,
            env=environment(env) | dict(keys or {}),
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
    except OSError as error:
        raise MachineError(f"{words[0]} cannot be run", why=str(error)) from error
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    _running.add(child)
    try:
        stdout, _, _ = await asyncio.gather(
            _read(child.stdout, tail, on_line), _read(child.stderr, tail, on_line), _feed(child.stdin, stdin)
        )
        code = await child.wait()
    finally:
        await asyncio.shield(_stop(child, grace_s))
        _running.discard(child)
    return Finished(words, code, stdout, "\n".join(tail))


async def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    hint: str = "",
) -> str:
    """As `attempt`, but a failure is an error. Returns standard output.

    Raises:
        MachineError: the program does not exist or may not be executed.
        ProgramError: it ended with another code than 0.
    """
    done = await attempt(argv, env=env, stdin=stdin, cwd=cwd, on_line=on_line)
    if done.code != 0:
        what = f"{Path(done.argv[0]).name} {' '.join(done.argv[1:3])} failed with exit code {done.code}"
        raise ProgramError(what.strip(), why=done.tail, hint=hint)
    return done.stdout


async def attend(argv: Sequence[str | Path]) -> int:
    """Run a program that talks with the person on the terminal, to its end; its exit code.

    Where standard output is no terminal it has none: an editor would write what it shows into a log.

    Raises:
        MachineError: the program does not exist or may not be executed.
    """
    try:
        shown = None if sys.stdout.isatty() else asyncio.subprocess.DEVNULL
        child = await asyncio.create_subprocess_exec(*map(str, argv), env=environment(), stdout=shown)
    except OSError as error:
        raise MachineError(f"{argv[0]} cannot be run", why=str(error)) from error
    _running.add(child)
    try:
        return await child.wait()
    finally:
        await asyncio.shield(_stop(child, _STOP_GRACE_S))
        _running.discard(child)


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs may know of an environment (default: ours): all but private keys and logins."""
    known = os.environ if env is None else env
    return {name: value for name, value in known.items() if not _OURS.fullmatch(name)}


async def _read(
    stream: asyncio.StreamReader | None, tail: deque[str], on_line: Callable[[str], None] | None
) -> str:
    assert stream is not None  # noqa: S101 - both outputs are always pipes here
    lines = []
    async for raw in stream:
        line = raw.decode(errors="replace")
        lines.append(line)
        tail.append(line.rstrip("\n"))
        if on_line:
            on_line(line.rstrip("\n"))
    return "".join(lines)


async def _feed(stream: asyncio.StreamWriter | None, data: bytes | None) -> None:
    if stream is None or data is None:
        return
    # A program that ends without reading its input is judged by its exit code.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
    stream.close()


async def _stop(child: asyncio.subprocess.Process, grace_s: float) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), grace_s)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def kill_all() -> None:
    """SIGKILL every program that still runs: the last thing before this process ends in a hurry."""
    for child in _running:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
