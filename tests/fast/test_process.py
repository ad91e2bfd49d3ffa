"""Outside programs: their words reach us, none outlives a cancellation, and what they need of ours is theirs alone."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from hubops.clients import process
from hubops.clients.helm import open_home
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
    command = [sys.executable, "-c", script]
    task = asyncio.create_task(process.attempt(command, on_line=pids.append, grace_s=0.3))
    while not pids:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids[0]), 0)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no memory to write to")
def test_helm_has_the_operators_logins_in_memory_and_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "repositories.yaml"
    theirs.write_text("repositories: [{name: a, url: b, password: canary}]\n")
    monkeypatch.setenv("HELM_REPOSITORY_CONFIG", str(theirs))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with open_home(tmp_path / "session" / "helm") as home:
        copy = (home / "config" / "repositories.yaml").resolve()
        assert copy.read_text() == theirs.read_text()
        assert copy.is_relative_to("/dev/shm")
        assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert not copy.parent.exists()


async def test_who_talks_with_a_person_shows_nothing_where_there_is_no_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = "import sys; print('a secret'); print('a warning', file=sys.stderr); sys.exit(3)"
    assert await process.attend([sys.executable, "-c", code]) == 3
    assert capfd.readouterr() == ("", "a warning\n")
