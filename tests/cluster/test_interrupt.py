"""`hubops ci merge` ended at random moments, kindly or not: the next run heals, and nothing of the first is left."""

import asyncio
import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.conftest import NAME, Cluster, Fleet
from cluster.forge import DOCKERFILE, Origin, add_line, make_origin
from cluster.test_deploy import volumes

MOMENTS = 50
# What somebody who ends a run waits for (DESIGN, section 7).
SOON_S = 5


@dataclass
class Run:
    """A merge in a process group of its own."""

    child: asyncio.subprocess.Process
    output: "asyncio.Task[bytes]"
    began: float

    async def wait(self) -> int:
        return await self.child.wait()

    async def text(self) -> str:
        return (await self.output).decode()


async def begin(checkout: Path) -> Run:
    child = await asyncio.create_subprocess_exec(
        *("./hubops", "ci", "merge"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        cwd=checkout,
        env={**os.environ, "HUBOPS_LOCAL": NAME},
    )
    assert child.stdout
    return Run(child, asyncio.create_task(child.stdout.read()), time.monotonic())


def group_members(group: int) -> list[str]:
    """The processes of a group that still live."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = entry.read_text().rsplit(")", 1)
        except OSError:
            continue
        state, _, pgrp = fields.split()[:3]
        if int(pgrp) == group and state != "Z":
            found.append(name)
    return found


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return make_origin(tmp_path_factory.mktemp("forge"))


@pytest.fixture(scope="module")
async def whole_s(fleet: Fleet, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that a merge takes which builds an image and deploys both hubs."""
    assert fleet.hubs
    return await merge_whole(origin, tmp_path_factory.mktemp("whole"))


async def merge_whole(origin: Origin, directory: Path) -> float:
    change(origin)
    run = await begin(origin.checkout(directory / "clone"))
    assert await run.wait() == 0, await run.text()
    return time.monotonic() - run.began


def change(origin: Origin) -> None:
    origin.commit("Another image", {DOCKERFILE: add_line(f"ENV CHANGE={time.time_ns()}")})


@pytest.mark.long
@pytest.mark.parametrize("moment", range(MOMENTS))
async def test_a_merge_ended_at_any_moment_is_healed_by_the_next(
    cluster: Cluster, origin: Origin, whole_s: float, tmp_path: Path, moment: int
) -> None:
    kind = (signal.SIGTERM, signal.SIGKILL)[moment % 2]
    after_s = random.Random(moment).uniform(0, whole_s)
    before = {hub: await claims(cluster, hub) for hub in ("staginghub", "earthhub")}
    change(origin)
    checkout = origin.checkout(tmp_path / "clone")
    run = await begin(checkout)
    await asyncio.sleep(after_s)
    at = time.monotonic()
    with contextlib.suppress(ProcessLookupError):  # it was faster than the one that was measured
        if kind is signal.SIGTERM:
            run.child.terminate()
        else:
            os.killpg(run.child.pid, signal.SIGKILL)
    code = await run.wait()
    took_s, left = time.monotonic() - at, group_members(run.child.pid)
    text = await run.text()
    print(f"{kind.name} after {after_s:.1f} s: code {code} in {took_s:.1f} s\n{text}")  # noqa: T201 - for who reads
    assert took_s <= SOON_S
    assert left == []
    assert "Traceback" not in text
    assert code in {128 + signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL, 0}
    again = await begin(checkout)
    assert await again.wait() == 0, await again.text()
    assert {hub: await claims(cluster, hub) for hub in ("staginghub", "earthhub")} == before
    pods = await cluster.run("get", "pods", "-A", "-l", "hub.jupyter.org/username=hubops-probe", "-o", "name")
    assert pods == ""


async def claims(cluster: Cluster, hub: str) -> dict[str, str]:
    return {name: claim for name, claim in (await volumes(cluster, hub)).items() if "probe" not in name}
