"""What a Dockerfile takes from besides its own stages: images and named contexts, as it names them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hubops.desired.dockerfile import FRONTEND, Instruction, may_become, with_arguments

_ARGUMENT = re.compile(r"(\w+)(?:=(\"[^\"]*\"|'[^']*'|\S*))?")
_FLAG = re.compile(r"(?:\s|\\\n)*(--[a-z]+=\S+)")
_COPIED = re.compile(r"--from=(\S+)")
_MOUNTED = re.compile(r"--mount=(?:\S*,)?from=([^\s,]+)")
# What BuildKit sets by itself, for each platform anew.
_OF_PLATFORMS = [
    f"{of}{what}" for of in ("TARGET", "BUILD") for what in ("PLATFORM", "OS", "ARCH", "VARIANT")
]
_DEFAULT_REGISTRY = re.compile(r"(?:index\.)?docker\.io/(?:library/)?|library/")


@dataclass(frozen=True)
class Source:
    """A name, and where it stands: line:column. `begins` a stage (FROM), or is copied or mounted from.

    `reads` tells that it is the frontend: BuildKit runs it to read the Dockerfile.
    """

    name: str
    place: str
    begins: bool
    reads: bool = False


def find_sources(instructions: Sequence[Instruction], arguments: Mapping[str, str]) -> list[Source]:
    """In their order, with build arguments replaced, without those of `find_unknown`."""
    return [each for each in _sources(instructions, arguments) if "$" not in each.name]


def find_unknown(instructions: Sequence[Instruction], arguments: Mapping[str, str]) -> list[Source]:
    """Those whose name only the build knows, and that cannot all be stages of this Dockerfile."""
    return [each for each in _sources(instructions, arguments) if "$" in each.name]


def familiar(name: str) -> str:
    """An image's name as BuildKit looks it up among the named contexts: without what goes without saying."""
    short = _DEFAULT_REGISTRY.sub("", name, count=1) if _DEFAULT_REGISTRY.match(name) else name
    return short.removesuffix(":latest")


def image_address(name: str) -> tuple[str, str]:
    """Repository, with its registry, and tag of an image by its familiar name."""
    path, _, last = name.rpartition("/")
    short, _, tag = last.partition(":")
    first = path.partition("/")[0]
    if first != "localhost" and not {".", ":"} & {*first}:
        path = f"docker.io/{path or 'library'}"
    return f"{path}/{short}", tag or "latest"


def _sources(instructions: Sequence[Instruction], arguments: Mapping[str, str]) -> Iterator[Source]:
    known: dict[str, str] = {}
    stages = {"scratch"}
    for each in instructions:
        if each.word == "ARG":
            known |= declared(each, known, arguments)
        for offset, written, begins in written_names(each):
            name = with_arguments(written, known)
            if not any(may_become(name, stage, _OF_PLATFORMS) for stage in stages) and not name.isdigit():
                yield Source(name, each.place(offset), begins, each.word == FRONTEND)
        if each.word == "FROM" and (stage := re.search(r"\s(?i:as)\s+(\S+)", each.text)):
            stages.add(stage[1].lower())


def declared(each: Instruction, known: Mapping[str, str], arguments: Mapping[str, str]) -> dict[str, str]:
    """What an ARG sets: a value given to the build, or its default."""
    found = {name: value.strip("\"'") for name, value in _ARGUMENT.findall(each.text)}
    given = {name: arguments[name] for name in found if name in arguments}
    return {name: with_arguments(value, {**known}) for name, value in found.items() if value} | given


def written_names(each: Instruction) -> Iterator[tuple[int, str, bool]]:
    """Offset and text of each name that an instruction takes from, and whether it begins a stage."""
    if each.word == FRONTEND:
        yield 0, each.text, False
        return
    offset = 0
    while flag := _FLAG.match(each.text, offset):
        offset = flag.end()
        pattern = {"COPY": _COPIED, "RUN": _MOUNTED}.get(each.word)
        if pattern and (found := pattern.fullmatch(flag[1]) or pattern.match(flag[1])):
            yield flag.start(1) + found.start(1), found[1], False
    if each.word == "FROM" and (name := re.compile(r"(?:\s|\\\n)*(\S+)").match(each.text, offset)):
        yield name.start(1), name[1], True
