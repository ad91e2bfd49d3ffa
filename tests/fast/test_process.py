"""Outside programs: their words reach us, and none outlives a cancellation."""

import asyncio
import os
import sys
import time

import pytest

from hubops.clients import process
from hubops.errors import MachineError, ProgramError


async def test_output_is_returned_and_told_line_by_line() -> None:
    lines: list[str] = []
    out = await process.run(["sh", "-c", "echo one; echo two; echo err >&2"], on_line=lines.append)
    assert out == "one\ntwo\n"
    assert sorted(lines) == ["err", "one", "two"]


async def test_input_is_fed_whole() -> None:
    data = b"x" * 1_000_000
    assert (await process.run(["wc", "-c"], stdin=data)).strip() == str(len(data))


async def test_a_program_that_ignores_its_input_is_judged_by_its_code() -> None:
    await process.run(["true"], stdin=b"x" * 1_000_000)


async def test_a_failure_carries_the_last_lines() -> None:
    with pytest.raises(ProgramError) as caught:
        await process.run(["sh", "-c", "seq 100; echo the reason >&2; exit 3"], hint="try again")
    assert "exit code 3" in caught.value.what
    assert "the reason" in caught.value.why
    assert len(caught.value.why.splitlines()) <= 20
    assert caught.value.hint == "try again"


async def test_a_missing_program_is_the_machines_fault() -> None:
    with pytest.raises(MachineError, match="no-such-program"):
        await process.run(["no-such-program"])


async def test_a_cancelled_child_is_ended_and_awaited() -> None:
    pids: list[str] = []
    script = "import os,time; print(os.getpid(), flush=True); time.sleep(60)"
    task = asyncio.create_task(process.run([sys.executable, "-c", script], on_line=pids.append))
    while not pids:
        await asyncio.sleep(0.01)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 4
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids[0]), 0)


async def test_a_child_that_ignores_sigterm_is_killed() -> None:
    pids: list[str] = []
    script = "import os,signal,time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"
    task = asyncio.create_task(process.run([sys.executable, "-c", script], on_line=pids.append))
    while not pids:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids[0]), 0)
