"""What goes wrong under a build: the message names the cause, and a second run finishes."""

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.conftest import show
from cluster.own_buildkit import OwnBuildkit, own_buildkit
from hubops.answer import Absent, Present
from hubops.clients.builder import BuildRequest
from hubops.clients.registry import Registry
from hubops.desired.images import references
from hubops.desired.model import Fleet
from hubops.desired.repository import load_fleet
from hubops.errors import BuildError, HubopsError, MachineError, OutOfReachError
from hubops.execute.build import Bench, Workshop
from hubops.execute.room import Room
from hubops.local import base_image
from hubops.run.images import build_images

PLENTY = Room(2, 8 << 30, 50 << 30, "/")
MIB = 1 << 20


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[OwnBuildkit]:
    async with own_buildkit(tmp_path / f"bk-{uuid.uuid4().hex[:8]}") as made:
        yield made


@pytest.fixture
def workshop(own: OwnBuildkit, base: dict[str, Path], tmp_path: Path) -> Workshop:
    async def bench() -> Bench:
        return Bench(own.builder, lambda: PLENTY, stand_ins=base)

    return Workshop(Registry(), bench, tmp_path / "logs")


@pytest.fixture
def fleet(tmp_path: Path) -> Callable[[str], Fleet]:
    """One image on the base, with these instructions."""
    unique = uuid.uuid4().hex[:8]

    def make(instructions: str, base: str = base_image.NAME) -> Fleet:
        root = tmp_path / "repository"
        image = root / "user-images" / "faulty"
        image.mkdir(parents=True, exist_ok=True)
        (image / "Dockerfile").write_text(f"FROM {base}\nRUN : {unique}\n{instructions}\n")
        (root / "hubops.yaml").write_text("image-name: hubops-test/{name}\n")
        return load_fleet(root)

    return make


async def fails(fleet: Fleet, registry: str, workshop: Workshop) -> HubopsError:
    with pytest.raises(HubopsError) as caught:
        await finishes(fleet, registry, workshop)
    return caught.value


async def finishes(fleet: Fleet, registry: str, workshop: Workshop) -> None:
    made = await build_images(fleet, fleet.images, registry, workshop, show, push=True)
    image = made["faulty"]
    assert await Registry().find_digest(image.repository, image.tag) == Present(image.digest)


@pytest.mark.long
async def test_a_full_disk(
    own: OwnBuildkit, fleet: Callable[[str], Fleet], registry: str, workshop: Workshop
) -> None:
    wanted = fleet("RUN head -c 400M /dev/zero > /big && rm /big")
    await own.resize(380)
    error = await fails(wanted, registry, workshop)
    assert isinstance(error, MachineError)
    assert "the disk is full" in error.what
    assert error.where == "user-images/faulty/Dockerfile:3"
    await own.resize(1500)
    await finishes(wanted, registry, workshop)


async def test_a_disk_that_is_full_before_the_first_step(
    own: OwnBuildkit, fleet: Callable[[str], Fleet], registry: str, workshop: Workshop
) -> None:
    await own.resize(60)
    error = await fails(fleet("RUN true"), registry, workshop)
    assert isinstance(error, MachineError)
    assert "the disk is full" in error.what
    await own.resize(1500)
    await finishes(fleet("RUN true"), registry, workshop)


@pytest.mark.long
async def test_memory_that_runs_out(
    own: OwnBuildkit, fleet: Callable[[str], Fleet], registry: str, workshop: Workshop
) -> None:
    wanted = fleet("RUN perl -e 'print length(q(x) x (200 << 20))'")
    own.limit_memory(64)
    error = await fails(wanted, registry, workshop)
    assert "memory ran out" in f"{error.what} {error.hint}"
    assert error.where == "user-images/faulty/Dockerfile:3"
    own.limit_memory(0)
    await finishes(wanted, registry, workshop)


@pytest.mark.long
async def test_a_step_that_fails(fleet: Callable[[str], Fleet], registry: str, workshop: Workshop) -> None:
    error = await fails(fleet("RUN echo the reason >&2 && exit 7"), registry, workshop)
    assert isinstance(error, BuildError)
    assert error.where == "user-images/faulty/Dockerfile:3"
    assert "the reason" in error.why
    assert "exit code 7" in error.why
    await finishes(fleet("RUN true"), registry, workshop)


@pytest.mark.long
@pytest.mark.parametrize("away", ["localhost:1/no:1", "no.such.host.invalid/a:1"])
async def test_a_base_out_of_reach(
    away: str, fleet: Callable[..., Fleet], registry: str, workshop: Workshop
) -> None:
    error = await fails(fleet("RUN true", away), registry, workshop)
    assert isinstance(error, OutOfReachError)
    assert "a base image cannot be had" in error.what
    assert away.partition("/")[0] in error.why
    await finishes(fleet("RUN true"), registry, workshop)


async def test_buildkit_is_killed(
    own: OwnBuildkit, fleet: Callable[[str], Fleet], registry: str, workshop: Workshop, tmp_path: Path
) -> None:
    wanted = fleet("RUN echo begun; sleep 3")
    failing = asyncio.create_task(fails(wanted, registry, workshop))
    await begun(tmp_path / "logs/faulty.log")
    await own.end(signal.SIGKILL)
    error = await failing
    assert isinstance(error, MachineError)
    assert "BuildKit went away" in error.what
    await own.start()
    await finishes(wanted, registry, workshop)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
async def test_we_are_killed(
    number: int, own: OwnBuildkit, fleet: Callable[[str], Fleet], registry: str, workshop: Workshop
) -> None:
    wanted = fleet(f"RUN echo begun; sleep 2; : {number}")
    words = ["-m", "cluster.build_once", own.builder.address, str(wanted.root), registry]
    child = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.DEVNULL)
    await begun(wanted.root / "logs/faulty.log")
    child.send_signal(number)
    await child.wait()
    image = references(wanted, registry, wanted.images)["faulty"]
    assert await Registry().find_digest(image.repository, image.tag) == Absent()
    await finishes(wanted, registry, workshop)


@pytest.mark.long
async def test_a_buildkit_that_knows_nothing_takes_steps_from_the_registry(
    own: OwnBuildkit, base: dict[str, Path], registry: str, tmp_path: Path
) -> None:
    name = f"{registry}/hubops-test/{uuid.uuid4().hex[:8]}"
    file = tmp_path / "context" / "Dockerfile"
    file.parent.mkdir()
    # What is made of a stand-in says in its history how BuildKit came by its layers; of a real base it does not.
    file.write_text(f"FROM scratch\nCOPY --from={base_image.NAME} / /\n")
    bottom = BuildRequest(file.parent, f"{name}:base", push=True, contexts=base)
    digest = await own.builder.build(bottom, print)
    file.write_text("FROM bottom\nRUN date +%N > /made\n")
    caches = [f"{name}:cache{number}" for number in range(5)]
    images = {"bottom": f"{name}@{digest}"}
    request = BuildRequest(
        file.parent, f"{name}:c1", push=True, images=images, caches=caches, cache=caches[2]
    )
    first = await own.builder.build(request, print)
    async with own_buildkit(tmp_path / f"bk-{uuid.uuid4().hex[:8]}") as fresh:
        assert await fresh.builder.build(request, print) == first
        # What cannot be had or written is no failure.
        away = replace(request, push=False, caches=["localhost:1/a:b"], cache="localhost:1/a:c")
        assert await fresh.builder.build(away, print) == first


async def begun(log: Path) -> None:
    """The step that says so runs."""
    async with asyncio.timeout(60):
        while not (log.exists() and " begun" in log.read_text().replace("echo begun", "")):
            await asyncio.sleep(0.05)
