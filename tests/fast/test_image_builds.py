"""How many images are built at once, in which order, and how that is told."""

import asyncio
import errno
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hubops.cli.progress import progress
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import BuildRequest
from hubops.clients.buildx import Buildx
from hubops.desired.model import Image, ImageReference
from hubops.errors import BuildError, HubopsError, MachineError, OutOfReachError, SkippedError
from hubops.events import Line, Output, StepEnded, StepStarted
from hubops.execute.build import Bench
from hubops.execute.room import Room, builds_at_once
from hubops.local.room import find_room
from hubops.report.groups import Forge, find_forge, format_group
from hubops.run.graph import MadeImage
from hubops.run.images import require_made
from hubops.run.slots import Slots
from hubops.secret import Secret

GIB = 1 << 30
IMAGE = ImageReference("r/a", "c1")


@pytest.mark.parametrize(
    ("cores", "memory", "disk", "number"),
    [(4, 16, 100, 4), (8, 3, 100, 3), (8, 16, 9, 4), (1, 1, 2, 1), (2, 1, 100, 1)],
)
def test_as_many_are_built_as_cores_memory_and_disk_allow(
    cores: int, memory: int, disk: int, number: int
) -> None:
    assert builds_at_once(Room(cores, memory * GIB, disk * GIB, "/d")) == number


def test_what_is_missing_is_told_with_what_is_free_and_what_is_needed() -> None:
    with pytest.raises(MachineError, match=r"needs 1 GiB of memory, 0\.5 are free"):
        builds_at_once(Room(2, GIB // 2, 9 * GIB, "/d"))
    with pytest.raises(MachineError, match=r"needs 2 GiB of disk, 1\.5 are free\nwhere: /d"):
        builds_at_once(Room(2, 9 * GIB, GIB * 3 // 2, "/d"))


def test_room_is_what_the_machine_says(tmp_path: Path) -> None:
    room = find_room(tmp_path / "not" / "there")
    free = subprocess.run(
        ["df", "-B1", "--output=avail", tmp_path], capture_output=True, text=True, check=True
    )
    assert room.disk
    assert abs(room.disk - int(free.stdout.split()[1])) < GIB
    assert room.cores >= 1
    assert 0 < room.memory < 1 << 45


def test_a_disk_that_is_not_ours_is_no_limit() -> None:
    room = find_room(None)
    assert room.disk is None
    assert builds_at_once(replace(room, cores=3, memory=2 * GIB)) == 2


@pytest.mark.parametrize(
    ("name", "driver", "found"),
    [
        (socket.gethostname(), "docker", "/data/docker"),
        (socket.gethostname(), "docker-container", "/data/docker"),
        (socket.gethostname(), "remote", None),
        ("docker-desktop", "docker", None),
    ],
)
async def test_docker_writes_below_its_root_where_its_engine_is_here(
    name: str, driver: str, found: str | None, tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\n[ "$1" = info ] && echo "{name} /data/docker" || echo "Driver: {driver}"\n'
    )
    docker.chmod(0o755)
    assert (await Buildx(str(docker)).looked_at()).root == (Path(found) if found else None)


SECRETS = {"index-token": Secret("canary-0001"), "other": Secret("canary-0002")}
# It tells what it is called with, what the variables hold that it is told of, and fails as BuildKit does.
TELLS_ALL = """#!/bin/sh
echo "#1 $*" >&2
echo "#1 $HUBOPS_BUILD_SECRET_0 and $HUBOPS_BUILD_SECRET_1" >&2
echo "#1 ERROR: no" >&2
echo "error: failed to solve: $HUBOPS_BUILD_SECRET_0 did not complete successfully: exit code: 3" >&2
exit 1
"""


@pytest.mark.parametrize("with_root", [True, False])
async def test_secrets_of_a_build_reach_the_builder_and_no_eye(with_root: bool, tmp_path: Path) -> None:
    program, context = tmp_path / "program", tmp_path / "earth"
    program.write_text(TELLS_ALL)
    program.chmod(0o755)
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")
    builder = Buildctl(program, "unix:///no") if with_root else Buildx(str(program))
    lines = list[str]()
    request = BuildRequest(context, "r/a:c1", push=False, secret_texts=SECRETS)
    with pytest.raises(BuildError) as caught:
        await builder.build(request, lines.append)
    assert "--secret=id=index-token,env=HUBOPS_BUILD_SECRET_0" in lines[0]
    assert "--secret=id=other,env=HUBOPS_BUILD_SECRET_1" in lines[0]
    assert lines[1] == "#1 *** and ***"
    assert "*** and ***" in caught.value.why
    assert "canary" not in f"{lines} {caught.value} {request}"
    assert not [name for name in os.environ if name.startswith("HUBOPS_BUILD_SECRET")]


async def test_secrets_are_asked_for_when_an_image_that_names_one_is_built(tmp_path: Path) -> None:
    asked = list[str]()

    async def texts(image: Image) -> dict[str, Secret]:
        asked.append(image.name)
        return {name: SECRETS[name] for name in image.secrets}

    bench = Bench(Buildx(), lambda: find_room(None), secret_texts=texts)
    none = await bench.request(Image("a", tmp_path), IMAGE, {}, push=False)
    one = await bench.request(Image("b", tmp_path, secrets=("other",)), IMAGE, {}, push=False)
    assert (none.secret_texts, one.secret_texts, asked) == ({}, {"other": SECRETS["other"]}, ["b"])


async def test_a_small_tmp_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(MachineError, match=f"disk is full\nwhere: {tempfile.gettempdir()}"):
        await Buildx("false").build(BuildRequest(tmp_path, "r/a:c1", push=False), print)


async def test_the_most_urgent_goes_first_and_a_failure_gives_its_place_away() -> None:
    slots, order = Slots(lambda: 1), list[int]()

    async def work(urgency: int) -> None:
        async with slots.take(urgency):
            order.append(urgency)
            await asyncio.sleep(0)
            if urgency == 7:
                raise BuildError("no")

    done = await asyncio.gather(*map(work, (1, 7, 3, 9)), return_exceptions=True)
    assert order == [9, 7, 3, 1]
    assert [isinstance(each, BuildError) for each in done] == [False, True, False, False]


async def test_who_waits_and_is_cancelled_holds_nobody_up() -> None:
    slots, begun = Slots(lambda: 1), asyncio.Event()

    async def hold() -> None:
        async with slots.take(0):
            await begun.wait()

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0.01)
    waiting, last = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0.01)
    waiting.cancel()
    begun.set()
    await asyncio.wait_for(asyncio.gather(holder, last), 5)


def test_all_that_failed_is_told_in_the_end() -> None:
    bad = MadeImage(IMAGE, BuildError("a failed", where="a/Dockerfile:3", why="reason a"))
    away = MadeImage(IMAGE, OutOfReachError("b is away"))
    above = MadeImage(IMAGE, SkippedError("c was not built", why="it is made from a"))
    require_made({"d": MadeImage(IMAGE)})
    with pytest.raises(BuildError, match="a failed"):
        require_made({"a": bad, "d": MadeImage(IMAGE)})
    with pytest.raises(HubopsError) as caught:
        require_made({"c": above, "a": bad, "b": away})
    assert isinstance(caught.value, BuildError)
    assert caught.value.what == "2 images were not built, 1 that are made from others were not tried"
    for part in ("a/Dockerfile:3", "reason a", "b is away", "c was not built"):
        assert part in caught.value.why


def test_each_forge_folds_in_its_own_way() -> None:
    title, lines = "image a c1", ["one", "::error::two"]
    hub = format_group(Forge.GITHUB, title, lines, 1.2, 3.4)
    assert hub[0] == "::group::image a c1"
    assert hub[-1] == "::endgroup::"
    # The runner obeys nothing between these.
    token = hub[1].removeprefix("::stop-commands::")
    assert hub[2:5] == [*lines, f"::{token}::"]
    assert format_group(Forge.GITLAB, title, lines, 1.2, 3.4) == [
        "\x1b[0Ksection_start:1:image-a-c1[collapsed=true]\r\x1b[0Kimage a c1",
        *lines,
        "\x1b[0Ksection_end:3:image-a-c1\r\x1b[0K",
    ]
    assert format_group(Forge.TRAVIS, title, lines, 1.2, 3.4) == [
        "travis_fold:start:image-a-c1\r\x1b[0Kimage a c1",
        *lines,
        "travis_fold:end:image-a-c1\r\x1b[0K",
    ]


def test_the_forge_is_known_by_its_variable() -> None:
    assert find_forge({"GITHUB_ACTIONS": "true"}) is Forge.GITHUB
    assert find_forge({"GITLAB_CI": "true", "GITHUB_ACTIONS": ""}) is Forge.GITLAB
    assert find_forge({"TRAVIS": "true"}) is Forge.TRAVIS
    assert find_forge({"CI": "true"}) is None


@pytest.mark.parametrize(("variable", "printed"), [("GITHUB_ACTIONS", True), ("CI", False)])
def test_in_ci_what_a_build_printed_is_there_to_unfold(
    *,
    variable: str,
    printed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for forge in Forge:
        monkeypatch.delenv(forge.value, raising=False)
    monkeypatch.setenv(variable, "true")
    log = tmp_path / "a.log"
    log.write_text("#1 load\n#2 run\n")

    @click.command()
    def command() -> None:
        with progress() as emit:
            emit(StepStarted("image a c1"))
            emit(Line("#1 load", "image a c1"))
            emit(StepEnded("image a c1", 1.0))
            emit(Output("image a c1", str(log)))

    result = CliRunner().invoke(command)
    text = result.output + capsys.readouterr().err
    assert "ok image a c1 (1.0 s)" in text
    assert ("::group::image a c1" in text) is printed
    assert ("#2 run" in text) is printed
