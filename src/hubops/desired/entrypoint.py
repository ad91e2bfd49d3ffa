"""The ENTRYPOINT of an image as far as its Dockerfile says it; else whose image's it is."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hubops.desired.dockerfile import Instruction, with_arguments
from hubops.desired.dockerfile_sources import declared, familiar, written_names

_STAGE = re.compile(r"\s(?i:as)\s+(\S+)")
_CONTINUED = re.compile(r"\\[ \t]*\n")
_SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True)
class Entrypoint:
    """`words` are empty for an image without one, None where it is that of `base`, by its familiar name."""

    words: tuple[str, ...] | None
    base: str = ""


@dataclass(frozen=True)
class _Stage:
    base: str
    words: tuple[str, ...] | None = None
    shell: tuple[str, ...] = _SHELL


def find_entrypoint(
    instructions: Iterable[Instruction], arguments: Mapping[str, str], target: str = ""
) -> Entrypoint:
    """Of the last stage, or of `target`. As BuildKit reads it, but for ONBUILD and the SHELL of a base."""
    stages: dict[str, _Stage] = {}
    known: dict[str, str] = {}
    name = ""
    for each in instructions:
        if each.word == "ARG" and not stages:
            known |= declared(each, known, arguments)
        elif each.word == "FROM":
            name, stages = _begin(each, stages, known)
        elif each.word in {"ENTRYPOINT", "SHELL"} and stages:
            stages[name] = _changed(stages[name], each)
    found = stages.get(target.lower() or name)
    if found is None:
        return Entrypoint((), "")
    return Entrypoint(() if found.base == "scratch" and found.words is None else found.words, found.base)


def _begin(
    each: Instruction, stages: Mapping[str, _Stage], known: Mapping[str, str]
) -> tuple[str, dict[str, _Stage]]:
    """A stage begins as the one that it is from ends; without a name it has its number."""
    written = next((text for _, text, begins in written_names(each) if begins), "")
    base = with_arguments(written, {**known})
    stage = _STAGE.search(each.text)
    name = stage[1].lower() if stage else str(len(stages))
    return name, {**stages, name: stages.get(base.lower()) or _Stage(familiar(base))}


def _changed(stage: _Stage, each: Instruction) -> _Stage:
    text = _CONTINUED.sub(" ", each.text).strip()
    words = _exec_form(text)
    if each.word == "SHELL":
        return replace(stage, shell=tuple(words or stage.shell))
    return replace(stage, words=tuple([*stage.shell, text] if words is None else words))


def _exec_form(text: str) -> Sequence[str] | None:
    """The words of a JSON array; None for what goes to a shell."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(word, str) for word in found) else None
