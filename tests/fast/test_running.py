"""Commands are ended by signals: soon, with the shell's code and a word, and nobody is left behind."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from hubops.cli import running
from hubops.errors import RefusedError
from hubops.execute.lease import _started

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# What a command does when the signal comes; each says "ready", and the numbers of programs it runs.
BODIES = {
    "waits": "await asyncio.sleep(60)",
    "runs a program": "await sleeper()",
    "runs one that ignores the signal": "await sleeper(deaf=True)",
    "runs one that ignores it and gets long to end": "await sleeper(deaf=True, grace_s=60)",
    "tidies up for ever": """
try:
    await asyncio.sleep(60)
finally:
    await asyncio.sleep(60)""",
    "tidies up for ever beside a program": """
side = asyncio.ensure_future(sleeper(deaf=True))
try:
    await asyncio.sleep(60)
finally:
    await asyncio.shield(side)""",
    "is busy and does not yield": """
try:
    await asyncio.sleep(60)
finally:
    time.sleep(60)""",
    "waits in a thread": "await asyncio.to_thread(time.sleep, 60)",
    "fails while it tidies up": """
try:
    await asyncio.sleep(60)
finally:
    raise HubopsError("what was caused by the ending")""",
}
SCRIPT = """
import asyncio, sys, time
from hubops.cli import running
from hubops.cli.main import show_error
from hubops.clients import process
from hubops.errors import HubopsError

async def sleeper(deaf=False, grace_s=2):
    code = "import os, signal, time\\n"
    code += "for n in (2, 15): signal.signal(n, signal.SIG_IGN)\\n" if deaf else ""
    code += "print(os.getpid(), flush=True); time.sleep(60)"
    await process.attempt([sys.executable, "-c", code], on_line=say, grace_s=grace_s)

def say(text):
    print(text, flush=True)

async def body():
    asyncio.get_running_loop().call_later(0.3, say, "ready")
{body}

try:
    running.run(body())
except HubopsError as error:
    show_error(error)
    sys.exit(error.exit_code)
"""


@dataclass(frozen=True)
class Ended:
    """A child that was sent a signal: its code, seconds since then, standard error, programs it had run."""

    code: int
    took_s: float
    said: str
    programs: list[int]


async def end(body: str, number: int) -> Ended:
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SCRIPT.replace("{body}", indented)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout
    assert child.stderr
    seen: list[str] = []
    async with asyncio.timeout(30):
        while "ready" not in seen or ("sleeper" in body and len(seen) < 2):
            seen.append((await child.stdout.readline()).decode().strip())
    began = time.monotonic()
    child.send_signal(number)
    try:
        async with asyncio.timeout(20):
            code = await child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
    took_s = time.monotonic() - began
    said = (await child.stderr.read()).decode()
    return Ended(code, took_s, said, [int(line) for line in seen if line.isdecimal()])


@pytest.fixture(scope="module")
async def ended() -> Mapping[tuple[str, int], Ended]:
    """All at once: most of their time is waiting."""
    asked = {(name, number): end(body, number) for name, body in BODIES.items() for number in SIGNALS}
    return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", BODIES)
def test_a_signal_ends_a_command(name: str, number: int, ended: Mapping[tuple[str, int], Ended]) -> None:
    found = ended[name, number]
    assert found.code == 128 + number
    assert found.took_s < 5
    assert f"error: ended by {signal.Signals(number).name}" in found.said
    assert "Run the same command again" in found.said
    assert "Traceback" not in found.said
    assert "caused by the ending" not in found.said


@pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised by /proc")
@pytest.mark.parametrize("name", [name for name, body in BODIES.items() if "sleeper" in body])
def test_no_program_outlives_it(name: str, ended: Mapping[tuple[str, int], Ended]) -> None:
    programs = [program for number in SIGNALS for program in ended[name, number].programs]
    assert len(programs) == len(SIGNALS)
    deadline = time.monotonic() + 2
    while any(map(_started, programs)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [program for program in programs if _started(program)]


async def _give(value: int) -> int:
    if not value:
        raise RefusedError("a rule")
    return value


def test_what_a_command_returns_or_raises_without_a_signal_is_its_own() -> None:
    assert running.run(_give(7)) == 7
    with pytest.raises(RefusedError, match="a rule"):
        running.run(_give(0))
