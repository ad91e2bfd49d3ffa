"""./start, killed inside each of its steps, goes on; and does nothing when nothing is left to do."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from cluster.conftest import PROJECT, free_port
from hubops.local.instance import Instance, load_instance, save_instance
from hubops.local.up import Local, down

pytestmark = pytest.mark.long
NAME = "hubops-start"


@pytest.fixture(scope="module")
async def fresh(local: Local) -> AsyncIterator[Instance]:
    """A new instance beside that of the other tests."""
    assert local
    made = load_instance(NAME, edge_port=free_port(), registry_port=free_port())
    save_instance(made)
    yield made
    await down(made, lambda _: None, delete_data=True)


async def start(kill_at: str = "") -> tuple[int, str]:
    """Run ./start in a process group of its own; SIGKILL the group when it prints `kill_at`."""
    child = await asyncio.create_subprocess_exec(
        PROJECT / "start",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "HUBOPS_LOCAL": NAME},
    )
    assert child.stdout
    lines = []
    async for raw in child.stdout:
        lines.append(raw.decode())
        print(raw.decode().rstrip())  # noqa: T201 - shown when the test fails
        if kill_at and kill_at in raw.decode():
            os.killpg(child.pid, signal.SIGKILL)
            break
    await child.stdout.read()
    return await child.wait(), "".join(lines)


async def test_start_killed_in_each_step_goes_on(fresh: Instance) -> None:
    steps = [
        "base image",
        "registry at",
        f"cluster {fresh.name}",
        "image earth",
        "image hub",
        "deploy edge",
        "deploy staginghub",
        "verify staginghub",
        "start a server",
        "deploy earthhub",
        "log in as a person",
    ]
    for step in steps:
        code, _ = await start(kill_at=step)
        assert code == -signal.SIGKILL, step
    code, text = await start()
    assert code == 0
    assert f"{fresh.url}/earthhub/" in text


async def test_a_second_start_finds_everything_done(fresh: Instance) -> None:
    assert fresh
    began = time.monotonic()
    code, text = await start()
    print(f"{time.monotonic() - began:.1f} s")  # noqa: T201 - a figure for whoever reads the log
    assert code == 0
    assert text.count(": nothing changed") == 3
