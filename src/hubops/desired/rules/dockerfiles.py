"""Rules about Dockerfiles: faults that build and come to light later, or never."""

import re
from collections.abc import Callable, Iterator

from hubops.desired.dockerfile import Instruction
from hubops.desired.dockerfile_sources import Source, familiar, find_sources, find_unknown, image_address
from hubops.desired.image_files import BASES
from hubops.desired.model import Image
from hubops.desired.moving_urls import URL, find_moving
from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import FleetView
from hubops.errors import RepositoryError

Found = Iterator[tuple[Instruction, int, str]]
"""An instruction, the offset in it, and what is there."""
Look = Callable[[list[Instruction]], Found]

_INSTALL = re.compile(r"\b(?:pip3?|conda|mamba|micromamba|npm|apt-get|apt)\b[^&|;\n]*?\b(?:install|create|add)\b([^&|;\n]*)")  # fmt: skip
_BOUND = re.compile(r"[A-Za-z][\w.\-\[\],]*?(?:[<>]=?\d|\s?[<>]=)[\w.*]*")
# Images that begin, and end, as root (their own documentation).
_AS_ROOT = {"debian", "ubuntu", "alpine", "python", "fedora", "rockylinux", "almalinux", "centos", "node", "buildpack-deps", "amazonlinux", "r-base", "rocker", "continuumio", "condaforge", "nvidia"}  # fmt: skip
_ROOT = re.compile(r"(?:root|0)(?::.*)?")


def unquoted_bound(instructions: list[Instruction]) -> Found:
    """To a shell > and < are redirections: the bound is lost, and a file of its name is written."""
    for each in (one for one in instructions if one.word == "RUN"):
        text = each.unquoted()
        for command in _INSTALL.finditer(text):
            for bound in _BOUND.finditer(text, command.start(1), command.end(1)):
                yield each, bound.start(), bound[0]


def unpinned_base(view: FleetView) -> Iterator[RepositoryError]:
    for source, where in _bases(view):
        if is_unpinned(source.name):
            yield RepositoryError(
                f"the image {source.name} is not pinned",
                where=where,
                why="another day it is another image, while the tag of what is built on it stays",
                hint="Name a version, best with its digest: NAME:TAG@sha256:..., or hubops build --update-bases",
            )


def unlocked_base(view: FleetView) -> Iterator[RepositoryError]:
    """Only where there is a lock: then who reads it takes it to be complete."""
    if not any(digest for image in view.fleet.images.values() for digest in image.bases.values()):
        return
    for source, where in _bases(view):
        if not is_unpinned(source.name) and "@" not in source.name:
            yield RepositoryError(
                f"{BASES} has no digest of {source.name}",
                where=where,
                why="it may become another image, while the tag of what is built on it stays",
                hint="Let it be asked for: hubops build --update-bases",
            )


def unknown_base(view: FleetView) -> Iterator[RepositoryError]:
    """Neither the lock nor the tag can have its digest."""
    for file, image in _files(view):
        for source in find_unknown(view.dockerfiles[file], image.arguments):
            yield RepositoryError(
                f"only the build knows which image {source.name} is",
                where=f"{file}:{source.place}",
                why="so it has no digest in the lock: it may become another, while the tag of what is built on it stays",
                hint="Name one for all platforms, or a stage for each: FROM IMAGE AS base-arm64, then"
                " FROM base-$TARGETARCH. A variable of your own gets its value by ARG NAME=... or in image.yaml.",
            )


def unpinned_url(instructions: list[Instruction]) -> Found:
    """What is behind such a URL changes, and with it the image, while its tag stays."""
    for each in instructions:
        if each.word == "ADD":
            for url in URL.finditer(each.text):
                if "--checksum=" not in each.text and ".git#" not in url[0]:
                    yield each, url.start(), url[0]
        elif each.word == "RUN":
            yield from ((each, at, what) for at, what in sorted({*find_moving(each.text)}))


def root_at_end(instructions: list[Instruction]) -> Found:
    """Who the last stage ends as, where that can be known."""
    ends: dict[str, tuple[Instruction, str]] = {}
    last: tuple[Instruction, str] | None = None
    name = ""
    for each in instructions:
        words = [word for word in each.text.split() if not word.startswith("--")]
        if each.word == "FROM" and words:
            last = ends.get(words[0], (each, "root" if _publisher(words[0]) in _AS_ROOT else ""))
            name = words[-1]
        elif each.word == "USER" and words:
            last = (each, words[0])
        if last:
            ends[name] = last
    if last and _ROOT.fullmatch(last[1]):
        yield last[0], 0, last[1]


def _publisher(image: str) -> str:
    """Whose image it is, or its name where it is an official one; registries have copies of both."""
    repository, _ = image_address(image.partition("@")[0])
    return next((part for part in repository.split("/")[1:] if part != "library"), "")


def _bases(view: FleetView) -> Iterator[tuple[Source, str]]:
    """What Dockerfiles take from elsewhere, without a digest in the lock, and where."""
    for file, image in _files(view):
        for source in find_sources(view.dockerfiles[file], image.arguments):
            if image.bases.get(familiar(source.name)) == "":
                yield source, f"{file}:{source.place}"


def _files(view: FleetView) -> Iterator[tuple[str, Image]]:
    """Each image with its Dockerfile."""
    for image in view.fleet.images.values():
        yield view.file_of(image, "Dockerfile"), image


def is_unpinned(image: str) -> bool:
    """Without a tag, or with one that says that it moves; what a build argument decides is not known."""
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return "@" not in image and "$" not in image and tag in {"", "latest"}


def up_to(target: str, instructions: list[Instruction]) -> list[Instruction]:
    """Without the stages behind the one of that name or number; all where there is no such stage."""
    begins = [number for number, each in enumerate(instructions) if each.word == "FROM"]
    for number, begin in enumerate(begins):
        words = instructions[begin].text.lower().split()
        name = words[-1] if words[-2:-1] == ["as"] else ""
        if target and target.lower() in {str(number), name}:
            return instructions[: begins[number + 1]] if number + 1 < len(begins) else instructions
    return instructions


def _rule(name: str, about: str, look: Look, *, what: str, why: str, hint: str) -> Rule[FleetView]:
    """A rule about every Dockerfile; {} in `what` and `hint` is what was found there."""

    def find(view: FleetView) -> Iterator[RepositoryError]:
        for file, image in _files(view):
            for each, offset, found in look(up_to(image.target, view.dockerfiles[file])):
                where = f"{file}:{each.place(offset)}"
                yield RepositoryError(what.format(found), where=where, why=why, hint=hint.format(found))

    return Rule(name, about, find)


RULES = (
    _rule(
        "unquoted-bound",
        "RUN installs with a bound that is not quoted, which a shell takes for a redirection.",
        unquoted_bound,
        what="{} is not quoted",
        why="the shell takes the bound for a redirection: any version is installed, and a file is written",
        hint='Write "{}".',
    ),
    Rule(
        "unpinned-base",
        "FROM, or COPY --from, names an image without a tag, or with the tag latest.",
        unpinned_base,
    ),
    Rule(
        "unlocked-base",
        "bases.lock has digests, but none of an image that a Dockerfile names.",
        unlocked_base,
    ),
    Rule(
        "unknown-base",
        "FROM, or COPY --from, names an image by a variable that only the build knows.",
        unknown_base,
    ),
    _rule(
        "unpinned-url",
        "A build takes something from a URL whose content changes.",
        unpinned_url,
        what="what is at {} may be another thing tomorrow",
        why="the image's tag follows the files here, not what is there",
        hint="Name a version, tag or commit; ADD takes --checksum=sha256:...",
    ),
    _rule(
        "root-at-end",
        "An image ends as root.",
        root_at_end,
        what="the image ends as root",
        why="where nothing else is said, people's servers would run as root, which Kubernetes refuses or, worse, allows",
        hint="End it with: USER 1000",
    ),
)
