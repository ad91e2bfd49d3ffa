"""The parts of a lease that need no cluster: who is dead, and when a holder stops writing."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from hubops.errors import RefusedError
from hubops.execute.lease import (
    DURATION_S,
    LAPSE_S,
    Lease,
    _boot,
    _started,
    is_dead_here,
    person,
    this_holder,
)

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised by /proc")


def holder(pid: int, started: str) -> str:
    return f"a process of ours@host process {pid}.{started} boot {_boot()}"


@needs_proc
def test_a_living_process_is_not_dead() -> None:
    assert not is_dead_here(this_holder())
    assert not is_dead_here(holder(os.getppid(), _started(os.getppid())))


@needs_proc
def test_an_ended_process_is_dead_even_before_it_is_waited_for() -> None:
    child = subprocess.Popen(["sleep", "60"])
    name = holder(child.pid, _started(child.pid))
    assert not is_dead_here(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead_here(name)
    child.wait()
    assert is_dead_here(name)


@needs_proc
def test_another_process_under_the_same_number_is_not_the_holder() -> None:
    assert is_dead_here(holder(os.getpid(), "1"))


@pytest.mark.parametrize(
    "name",
    [
        "me@host process 999999999.1 boot another-boot",
        "me@host process 999999999.1 boot ",
        "somebody who is no process",
        "",
    ],
)
def test_nothing_is_known_of_processes_elsewhere(name: str) -> None:
    assert not is_dead_here(name)


def test_a_holder_stops_writing_before_others_may_begin() -> None:
    now = datetime.now(UTC)
    lease = Lease("h", "me", "", now, lambda: now)
    now += timedelta(seconds=LAPSE_S - 0.1)
    lease.require_held()
    now += timedelta(seconds=0.1)
    with pytest.raises(RefusedError, match="lease on h was lost"):
        lease.require_held()
    assert LAPSE_S < DURATION_S


def test_people_read_only_the_part_for_people() -> None:
    assert person("me@host process 12.345 boot abc.1") == "me@host process 12"
    assert person("https://ci/job/1@host") == "https://ci/job/1@host"
