"""Images that are made from each other, built by a real BuildKit and pushed to a real registry."""

import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from cluster.conftest import show
from hubops.answer import Absent
from hubops.clients import process
from hubops.clients.buildctl import Buildctl
from hubops.clients.registry import Registry
from hubops.desired.images import references
from hubops.desired.model import Fleet, ImageReference
from hubops.desired.repository import load_fleet
from hubops.errors import BuildError, MachineError, SkippedError
from hubops.events import Event, Line, Output, StepEnded
from hubops.execute.build import Bench, Workshop
from hubops.execute.room import Room
from hubops.local import base_image
from hubops.run import MadeImage, make_images

GIB = 1 << 30
PLENTY = Room(2, 8 * GIB, 50 * GIB, "/")
Files = Mapping[str, str]


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[Files], Fleet]:
    """Images by path below user-images/; a name of its own keeps other tests' images out."""
    unique = uuid4().hex[:8]

    def make(files: Files) -> Fleet:
        root = tmp_path / "repository"
        shutil.rmtree(root, ignore_errors=True)
        for name, text in files.items():
            file = root / "user-images" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (root / "hubops.yaml").write_text(f"image-name: hubops-test/{unique}-{{name}}\n")
        return load_fleet(root)

    return make


@pytest.fixture
def workshop(builder: Buildctl, base: dict[str, Path], tmp_path: Path) -> Workshop:
    async def bench() -> Bench:
        return Bench(builder, lambda: PLENTY, stand_ins=base)

    return Workshop(Registry(), bench, tmp_path / "logs", lambda line: line.replace("canary", "***"))


async def contents(builder: Buildctl, made: MadeImage, out: Path) -> set[str]:
    """The files of an image that is in its registry."""
    out.mkdir(parents=True)
    (out / "Dockerfile").write_text(f"FROM {made.image.repository}@{made.image.digest}\n")
    words = [str(builder.buildctl), f"--addr={builder.address}", "build", "--frontend=dockerfile.v0"]
    locals_ = [f"--local=context={out}", f"--local=dockerfile={out}"]
    await process.run([*words, *locals_, f"--output=type=local,dest={out / 'files'}"])
    return {
        path.relative_to(out / "files").as_posix() for path in (out / "files").rglob("*") if path.is_file()
    }


CHAIN = {
    "bottom/Dockerfile": "FROM scratch\nCOPY a /\n",
    "bottom/a": "a",
    "middle/Dockerfile": "FROM bottom\nCOPY --from=scripts . /s/\nARG WORD\nCOPY $WORD /\n",
    "middle/image.yaml": "arguments: {WORD: b}\n",
    "middle/b": "b",
    "scripts/start.sh": "x",
    "scripts/left-out": "x",
    "scripts/.dockerignore": "left-out\n.dockerignore\n",
    "top/Dockerfile": "FROM scratch\nCOPY --from=middle / /m/\nCOPY --from=bottom a /top\n",
}


async def test_images_are_made_from_each_other(
    builder: Buildctl, workshop: Workshop, registry: str, repository: Callable[[Files], Fleet], tmp_path: Path
) -> None:
    made = await make_images(repository(CHAIN), ["top"], registry, workshop, show, push=True)
    assert list(made) == ["top"]
    assert await contents(builder, made["top"], tmp_path / "out") == {"m/a", "m/s/start.sh", "m/b", "top"}


async def test_unpushed_images_are_made_from_each_other_and_are_the_same(
    workshop: Workshop, registry: str, repository: Callable[[Files], Fleet]
) -> None:
    fleet = repository(CHAIN)
    here = await make_images(fleet, fleet.images, registry, workshop, show, push=False)
    for name, image in references(fleet, registry, fleet.images).items():
        assert here[name].image == replace(image, digest=here[name].image.digest)
        assert await Registry().find_digest(image.repository, image.tag) == Absent()
    pushed = await make_images(fleet, fleet.images, registry, workshop, show, push=True)
    assert {name: each.image for name, each in here.items()} == {n: each.image for n, each in pushed.items()}
    # Built on what the registry has.
    fleet = repository({**CHAIN, "middle/b": "other"})
    again = await make_images(fleet, ["middle"], registry, workshop, show, push=False)
    assert again["middle"].error is None


async def test_only_what_changed_and_what_is_made_from_it_is_built(
    workshop: Workshop, registry: str, repository: Callable[[Files], Fleet]
) -> None:
    def built(made: dict[str, MadeImage]) -> set[str]:
        return {name for name, each in made.items() if each.note != "already in the registry"}

    async def make(files: Files) -> set[str]:
        fleet = repository(files)
        return built(await make_images(fleet, fleet.images, registry, workshop, show, push=True))

    assert await make(CHAIN) == {"bottom", "middle", "top"}
    assert await make(CHAIN) == set()
    assert await make({**CHAIN, "scripts/start.sh": "y"}) == {"middle", "top"}
    assert await make({**CHAIN, "bottom/a": "b"}) == {"bottom", "middle", "top"}


async def test_one_that_fails_stops_only_those_that_are_made_from_it(
    workshop: Workshop, registry: str, base: dict[str, Path], repository: Callable[[Files], Fleet]
) -> None:
    assert base
    fleet = repository(
        {
            "bad/Dockerfile": f"FROM {base_image.NAME}\nRUN echo canary the reason && exit 3\n",
            "above/Dockerfile": "FROM bad\n",
            "over/Dockerfile": "FROM above\n",
            "good/Dockerfile": "FROM scratch\nCOPY a /\n",
            "good/a": "a",
        }
    )
    events: list[Event] = []
    made = await make_images(fleet, fleet.images, registry, workshop, events.append, push=True)
    assert isinstance(made["bad"].error, BuildError)
    assert isinstance(made["above"].error, SkippedError)
    assert isinstance(made["over"].error, SkippedError)
    assert made["good"].error is None
    # The step's own output is in the message, all of it in a file.
    log = workshop.logs / "bad.log"
    assert "the reason\n" in made["bad"].error.why
    assert str(log) in made["bad"].error.hint
    assert "*** the reason" in log.read_text()
    assert "canary" not in log.read_text()
    ended = {event.title.split()[1]: event.failed for event in events if isinstance(event, StepEnded)}
    assert {name.partition("-")[2]: failed for name, failed in ended.items()} == {"bad": True, "good": False}
    titles = {event.title for event in events if isinstance(event, Output)}
    assert {event.of for event in events if isinstance(event, Line)} == titles


async def test_a_locked_base_is_what_is_built_on_and_no_stand_in_where_others_would_get_it(
    workshop: Workshop, builder: Buildctl, registry: str, repository: Callable[[Files], Fleet], tmp_path: Path
) -> None:
    old = await make_images(
        repository({"base/Dockerfile": "FROM scratch\nCOPY a /old\n", "base/a": "a"}),
        *(["base"], registry, workshop, show),
        push=True,
    )
    image = old["base"].image
    fleet = repository(
        {
            "bases.lock": f"python:3.12: {image.digest}\n{image.repository}:moved: {image.digest}\n",
            "leaf/Dockerfile": f"FROM {image.repository}:moved\nCOPY a /new\n",
            "leaf/a": "a",
            "locked/Dockerfile": "FROM python:3.12\n",
        }
    )
    made = await make_images(fleet, ["leaf"], registry, workshop, show, push=True)
    assert await contents(builder, made["leaf"], tmp_path / "out") == {"old", "new"}
    bench = await workshop.bench()
    wanted = references(fleet, "r.example.org", fleet.images)["locked"]
    layout = next(iter(bench.stand_ins.values()))
    bench = replace(bench, stand_ins={"python:3.12": layout})
    request = await bench.request(fleet.images["locked"], wanted, {}, push=False)
    assert (request.contexts, request.images) == ({"python:3.12": layout}, {})
    request = await bench.request(fleet.images["locked"], wanted, {}, push=True)
    assert (request.contexts, request.images) == ({}, {"python:3.12": f"python:3.12@{image.digest}"})
    # Caches are of registries that answer, and written where something is pushed.
    assert [*request.caches] == [f"{wanted.repository}:cache{number}" for number in range(5)]
    assert request.cache in request.caches
    for terms in ({"push": False}, {"push": True, "answers": False}):
        request = await bench.request(fleet.images["locked"], wanted, {}, **terms)
        assert (len(request.caches), request.cache) == (5 if "answers" not in terms else 0, "")
    request = await bench.request(fleet.images["leaf"], made["leaf"].image, {}, push=True)
    assert (request.caches, request.cache) == ([], "")


async def test_target_and_platforms(
    builder: Buildctl, workshop: Workshop, registry: str, repository: Callable[[Files], Fleet], tmp_path: Path
) -> None:
    fleet = repository(
        {
            "two/Dockerfile": "FROM scratch AS first\nCOPY a /first\nFROM scratch\nCOPY a /second\n",
            "two/image.yaml": "target: first\nplatforms: [linux/amd64, linux/arm64]\n",
            "two/a": "a",
        }
    )
    made = (await make_images(fleet, ["two"], registry, workshop, show, push=True))["two"]
    assert await contents(builder, made, tmp_path / "out") == {"first"}
    host, _, name = made.image.repository.partition("/")
    words = ["curl", "-sf", "-H", "Accept: application/vnd.oci.image.index.v1+json"]
    index = json.loads(await process.run([*words, f"http://{host}/v2/{name}/manifests/{made.image.digest}"]))
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]


async def test_where_there_is_no_room_nothing_is_begun(
    workshop: Workshop, registry: str, repository: Callable[[Files], Fleet]
) -> None:
    bench = replace(await workshop.bench(), room=lambda: replace(PLENTY, disk=GIB))

    async def full() -> Bench:
        return bench

    fleet = repository(CHAIN)
    events: list[Event] = []
    made = await make_images(
        fleet, fleet.images, registry, replace(workshop, bench=full), events.append, push=True
    )
    error = made["bottom"].error
    assert isinstance(error, MachineError)
    assert "needs 2 GiB of disk, 1.0 are free" in error.what
    assert isinstance(made["top"].error, SkippedError)
    assert events == []


async def test_at_once_are_as_many_as_there_is_room_for(
    workshop: Workshop, registry: str, base: dict[str, Path], repository: Callable[[Files], Fleet]
) -> None:
    assert base
    unique = uuid4().hex
    dockerfile = f"FROM {base_image.NAME}\nRUN date +%s.%N; sleep 1; date +%s.%N; : {unique} "
    fleet = repository({f"i{number}/Dockerfile": f"{dockerfile}{number}\n" for number in range(4)})
    times: dict[str, set[float]] = defaultdict(set)

    def note(event: Event) -> None:
        if isinstance(event, Line) and (
            told := re.fullmatch(r"#\d+ [\d.]+ (\d{10}\.\d+)", event.text.strip())
        ):
            times[event.of].add(float(told[1]))

    await make_images(fleet, fleet.images, registry, workshop, note, push=False)
    assert [len(each) for each in times.values()] == [2] * 4
    spans = [(min(each), max(each)) for each in times.values()]
    assert max(sum(began <= at < ended for began, ended in spans) for at, _ in spans) == PLENTY.cores


@dataclass(frozen=True)
class Leaf:
    """A repository whose one image stands on a base in the tests' registry."""

    root: Path
    base: ImageReference

    @property
    def named(self) -> str:
        return f"{self.base.repository}:{self.base.tag}"

    @property
    def lock(self) -> Path:
        return self.root / "user-images/bases.lock"

    async def update(self) -> tuple[int, str]:
        words = [sys.executable, "-m", "hubops.cli.main", "build", "--update-bases"]
        done = await process.attempt(words, cwd=self.root)
        return done.code, done.tail

    async def refuses(self, base: str) -> int:
        """The code with which a base is refused that is needed too; it is named, and nothing is written."""
        (self.root / "user-images/leaf/Dockerfile").write_text(f"FROM {self.named} AS a\nFROM {base}\n")
        before = self.lock.read_bytes()
        code, printed = await self.update()
        assert base in printed
        assert self.lock.read_bytes() == before
        return code


@pytest.fixture
async def leaf(workshop: Workshop, registry: str, repository: Callable[[Files], Fleet]) -> Leaf:
    base = {"base/Dockerfile": "FROM scratch\nCOPY a /\n", "base/a": "a"}
    image = (await make_images(repository(base), ["base"], registry, workshop, show, push=True))["base"].image
    named = f"{image.repository}:{image.tag}"
    files = {"leaf/Dockerfile": f"FROM {named}\n", "bases.lock": f"gone:1: {image.digest}\n"}
    return Leaf(repository(files).root, image)


async def test_bases_are_locked_as_their_registry_has_them_or_not_at_all(leaf: Leaf) -> None:
    code, printed = await leaf.update()
    assert code == 0
    assert f"+{leaf.named}: {leaf.base.digest}" in printed
    assert "-gone:1: " in printed
    assert leaf.lock.read_text().splitlines()[1:] == [f"{leaf.named}: {leaf.base.digest}"]
    assert "as they are" in (await leaf.update())[1]
    assert await leaf.refuses(f"{leaf.base.repository}:no") == 20


@pytest.mark.long  # it is asked for most of a minute
async def test_no_base_is_locked_whose_registry_is_silent(leaf: Leaf) -> None:
    assert await leaf.refuses("localhost:1/a:1") == 1
