"""A tag follows from all that decides an image, and from nothing else."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hubops.clients.buildctl import Buildctl
from hubops.desired.dockerfile import parse_dockerfile
from hubops.desired.dockerfile_sources import familiar, find_sources, find_unknown
from hubops.desired.images import content_tag, find_inputs, reference
from hubops.desired.model import Image, ImageReference
from hubops.desired.repository import load_fleet
from hubops.desired.yaml import parse_yaml
from hubops.errors import HubopsError, RepositoryError
from hubops.execute.build import Bench
from hubops.execute.room import Room

LOCKED = f"sha256:{'a' * 64}"
FILES = {
    "hubops.yaml": "registry: registry.example.org\nimage-name: teaching/{name}-image\n",
    "user-images/bases.lock": f"debian:bookworm-slim: {LOCKED}\n",
    "user-images/common/Dockerfile": "FROM debian:bookworm-slim\nCOPY . /\n",
    "user-images/common/sub/data": "1",
    "user-images/common/.dockerignore": "notes\n.*\nDockerfile\n",
    "user-images/common/run": "#!/bin/sh\n",
    "user-images/course/Dockerfile": "ARG WORD\nFROM common\nCOPY --from=scripts . /\n"
    "RUN --mount=type=bind,from=content,target=/c true\n",
    "user-images/course/image.yaml": "arguments: {WORD: hello}\ncontexts: {content: notebooks/course}\n",
    "user-images/scripts/start.sh": "#!/bin/sh\n",
    "user-images/scripts/.dockerignore": "left-out\n",
    "user-images/other/Dockerfile": "FROM scratch\n",
    "notebooks/course/a.ipynb": "{}",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "repository"
    for name, text in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    for name in ("common/run", "scripts/start.sh"):
        (directory / "user-images" / name).chmod(0o755)
    (directory / "user-images/common/link").symlink_to("sub/data")
    return directory


def tags(root: Path) -> dict[str, str]:
    fleet = load_fleet(root)
    return {name: content_tag(inputs) for name, inputs in find_inputs(fleet, fleet.images).items()}


def relink(file: Path) -> None:
    file.unlink()
    file.symlink_to("run")


def write(text: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(text)


COMMON = ("common", "course")
CHANGES: dict[str, tuple[str, Callable[[Path], object], tuple[str, ...]]] = {
    "content": ("user-images/common/sub/data", write("2"), COMMON),
    "Dockerfile, though ignored": ("user-images/common/Dockerfile", write("FROM scratch\n"), COMMON),
    "execute bit": ("user-images/common/run", lambda file: file.chmod(0o644), COMMON),
    "link": ("user-images/common/link", relink, COMMON),
    "new file": ("user-images/common/sub/more", write(""), COMMON),
    "name": ("user-images/common/run", lambda file: file.rename(file.parent / "start"), COMMON),
    "place": ("user-images/common/run", lambda file: file.rename(file.parent / "sub/run"), COMMON),
    "what is ignored": ("user-images/common/.dockerignore", write("sub\n"), COMMON),
    "what is ignored, by the file that is looked for first": (
        "user-images/common/Dockerfile.dockerignore",
        write(""),
        COMMON,
    ),
    "shared directory": ("user-images/scripts/more.sh", write(""), ("course",)),
    "execute bit in it": ("user-images/scripts/start.sh", lambda file: file.chmod(0o644), ("course",)),
    "named context": ("notebooks/course/a.ipynb", write("{ }"), ("course",)),
    "argument": ("user-images/course/image.yaml", write("arguments: {WORD: hi}\n"), ("course",)),
    "target": ("user-images/other/image.yaml", write("target: a\n"), ("other",)),
    "platforms": ("user-images/other/image.yaml", write("platforms: [linux/arm64]\n"), ("other",)),
    "locked base": (
        "user-images/bases.lock",
        write(f"debian:bookworm-slim: sha256:{'b' * 64}\n"),
        COMMON,
    ),
    "base that is locked no more": ("user-images/bases.lock", write(""), COMMON),
}
NO_CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "ignored file": ("user-images/common/notes", write("x")),
    "hidden file": ("user-images/common/.cache", write("x")),
    "ignored in a shared directory": ("user-images/scripts/left-out", write("x")),
    "what lies beside": ("notebooks/README.md", write("x")),
    "lock of what no image names": (
        "user-images/bases.lock",
        write(f"debian:bookworm-slim: {LOCKED}\nother:1: {LOCKED}\n"),
    ),
    "empty directory": ("user-images/common/empty", lambda file: file.mkdir()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_decides_an_image_changes_its_tag_and_those_of_its_dependants(name: str, root: Path) -> None:
    file, change, changed = CHANGES[name]
    before = tags(root)
    change(root / file)
    after = tags(root)
    assert {each for each in before if before[each] != after[each]} == {*changed}


@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_does_not_decide_it_does_not(name: str, root: Path) -> None:
    file, change = NO_CHANGES[name]
    before = tags(root)
    change(root / file)
    assert tags(root) == before


def git(*arguments: str, cwd: Path) -> None:
    name = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *name, *arguments], cwd=cwd, check=True, capture_output=True)


def clone(root: Path, target: Path, *arguments: str) -> None:
    git("clone", "-q", *arguments, f"file://{root}", str(target), cwd=root.parent)


def squash(root: Path, target: Path) -> None:
    clone(root, target)
    git("checkout", "-q", "--orphan", "squashed", cwd=target)
    git("commit", "-q", "-m", "all at once", cwd=target)


def copy(root: Path, target: Path) -> None:
    """As after unpacking an archive by another person: no git, other times, umask and owner."""
    shutil.copytree(root, target, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for path in target.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() or path.stat().st_mode & 0o100 else 0o600)
            os.utime(path, (1, 1))
        if os.geteuid() == 0:
            os.chown(path, 12345, 12345, follow_symlinks=False)


SHAPES: dict[str, Callable[[Path, Path], None]] = {
    "full": clone,
    "depth 1": lambda root, target: clone(root, target, "--depth=1"),
    "squash": squash,
    "worktree": lambda root, target: git("worktree", "add", "-q", str(target), "HEAD", cwd=root),
    "plain copy": copy,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_tags_are_the_same_in_every_clone(shape: str, root: Path, tmp_path: Path) -> None:
    git("init", "-q", cwd=root)
    git("add", "-f", ".", cwd=root)
    git("commit", "-q", "-m", "one", cwd=root)
    (root / "README.md").write_text("more\n")
    git("add", ".", cwd=root)
    git("commit", "-q", "-m", "two", cwd=root)
    SHAPES[shape](root, tmp_path / "clone")
    assert tags(tmp_path / "clone") == tags(root)


def test_a_tag_is_a_string_to_every_reader() -> None:
    for number in range(50):
        tag = content_tag({"argument a": str(number)})
        assert parse_yaml(f"a: {tag}", "f").value["a"] == tag


def test_an_image_goes_where_the_pattern_says(root: Path) -> None:
    fleet = load_fleet(root)
    found = reference(fleet, "registry.example.org", "course")
    assert found.repository == "registry.example.org/teaching/course-image"
    with pytest.raises(HubopsError, match="curse"):
        reference(fleet, "r", "curse")


def test_what_an_image_is_made_from(root: Path) -> None:
    (root / "user-images/other/Dockerfile").write_text(
        "FROM python:3.12 AS scripts\nFROM scripts\nCOPY --from=caddy caddy /\nCOPY --from=scripts a /\n"
    )
    images = load_fleet(root).images
    assert images["common"].bases == {"debian:bookworm-slim": LOCKED}
    assert images["course"] == Image(
        "course",
        root / "user-images/course",
        arguments={"WORD": "hello"},
        own=("common",),
        shared={"content": root / "notebooks/course", "scripts": root / "user-images/scripts"},
    )
    other = images["other"]
    assert (other.bases, other.shared, other.tools) == ({"python:3.12": ""}, {}, ("caddy",))


SOURCES = {
    "FROM a": ["1:6 a"],
    "FROM --platform=$BUILDPLATFORM a:1 AS B\nFROM b\nCOPY --from=0 / /\nCOPY --from=B / /": ["1:32 a:1"],
    "ARG V=1\nARG W=${V}.2\nFROM a:$W": ["3:6 a:1.2"],
    'ARG V=1 U="x"\nFROM a:${V}-$U': ["2:6 a:given-x"],
    "FROM a:$TARGETARCH": [],
    "FROM scratch\nCOPY --chmod=755 --from=b / /": ["2:25 b"],
    "FROM scratch\nRUN --mount=type=cache,target=/c \\\n --mount=type=bind,from=b:2,target=/b \\\n run --mount=from=no": [
        "3:25 b:2"
    ],
    "FROM scratch\nRUN --mount=from=b,target=/b true\nADD --from=c / /": ["2:18 b"],
    "from a as b\nfrom B": ["1:6 a"],
    "# syntax=d/f:1\nFROM a": ["1:10 d/f:1", "2:6 a"],
    "#!/usr/bin/env builder\n# check=skip=all\n#Syntax = d/f:1 more\r\nFROM a": ["3:11 d/f:1", "4:6 a"],
    "# a comment\n# syntax=d/f:1\nFROM a": ["3:6 a"],
    "\n# syntax=d/f:1\nFROM a": ["3:6 a"],
    "FROM a AS b-amd64\nFROM c AS b-arm64\nFROM b-${TARGETARCH}": ["1:6 a", "2:6 c"],
}
UNKNOWN = {
    "FROM a:$TARGETARCH": ["1:6 a:$TARGETARCH"],
    "ARG V\nFROM a:$V": ["2:6 a:$V"],
    "ARG V=1\nFROM a:$V\nCOPY --from=b-$TARGETOS:${V} / /": ["3:13 b-$TARGETOS:1"],
    "FROM a AS b-amd64\nFROM B-$TARGETARCH": [],
    "FROM a AS b-amd64\nFROM c-$TARGETARCH": ["2:6 c-$TARGETARCH"],
    "FROM a AS b-1\nFROM b-$V": ["2:6 b-$V"],
    "FROM b-$TARGETARCH\nFROM a AS b-amd64": ["1:6 b-$TARGETARCH"],
}


@pytest.mark.parametrize("text", SOURCES)
def test_what_a_dockerfile_takes_from(text: str) -> None:
    arguments = {"V": "given"} if "given" in str(SOURCES[text]) else {}
    assert [
        f"{each.place} {each.name}" for each in find_sources(parse_dockerfile(text), arguments)
    ] == SOURCES[text]


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_only_the_build_knows(text: str) -> None:
    found = find_unknown(parse_dockerfile(text), {})
    assert [f"{each.place} {each.name}" for each in found] == UNKNOWN[text]


async def test_the_frontend_is_locked_as_a_base_is(root: Path) -> None:
    """By the argument that BuildKit has for it: it is looked for before there are named contexts."""
    dockerfile, lock = root / "user-images/other/Dockerfile", root / "user-images/bases.lock"
    dockerfile.write_text("# syntax=docker.io/docker/dockerfile:1\nFROM scratch\n")
    image, before = load_fleet(root).images["other"], tags(root)
    assert (image.bases, image.frontend) == ({"docker/dockerfile:1": ""}, "docker/dockerfile:1")
    assert not await arguments(image)
    lock.write_text(f"{lock.read_text()}docker/dockerfile:1: {LOCKED}\n")
    assert await arguments(load_fleet(root).images["other"]) == {
        "BUILDKIT_SYNTAX": f"docker/dockerfile:1@{LOCKED}"
    }
    assert {name for name, tag in tags(root).items() if tag != before[name]} == {"other"}


async def arguments(image: Image) -> Mapping[str, str]:
    bench = Bench(Buildctl(Path("buildctl"), ""), lambda: Room(1, 0, 0, "/"))
    return (await bench.request(image, ImageReference("r/a", "c1"), {}, push=False)).arguments


def test_the_names_of_images_as_buildkit_looks_them_up() -> None:
    names = [
        "a",
        "docker.io/library/a:1",
        "index.docker.io/a/b:latest",
        "library/a",
        "r.example.org/a:latest",
    ]
    assert [familiar(name) for name in names] == ["a", "a:1", "a/b", "a", "r.example.org/a"]


WRONG = {
    "FROM course": (
        "user-images/common/Dockerfile",
        "user-images/common/Dockerfile:1:6",
        "common → course → common",
    ),
    "FROM other": ("user-images/other/Dockerfile", "user-images/other/Dockerfile:1:6", "other → other"),
    "debian: 5": ("user-images/bases.lock", "user-images/bases.lock:1:1", "--update-bases"),
    "contexts: {a: ../a}": ("user-images/other/image.yaml", "user-images/other/image.yaml:1:12", "../a"),
    "contexts: {a: no}": ("user-images/other/image.yaml", "user-images/other/image.yaml:1:12", "no"),
    "arguments: {A: 1}": ("user-images/other/image.yaml", "user-images/other/image.yaml:1:13", "quote"),
    "platforms: [arm]": ("user-images/other/image.yaml", "user-images/other/image.yaml:1:13", "linux/arm64"),
    "secrets: [ca]": (
        "user-images/other/image.yaml",
        "user-images/other/image.yaml:1:11",
        "secrets/images.yaml",
    ),
    "secrets: [a, 'b,c']": ("user-images/other/image.yaml", "user-images/other/image.yaml:1:14", "'b,c'"),
    "argument: {}": ("user-images/other/image.yaml", "user-images/other/image.yaml:1:1", "arguments"),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_its_place(text: str, root: Path) -> None:
    file, where, part = WRONG[text]
    (root / file).write_text(f"{text}\n")
    with pytest.raises(RepositoryError) as caught:
        load_fleet(root)
    assert caught.value.where == where
    assert part in str(caught.value)
