"""Which value of a hub something in a manifest was made of.

Templates do not tell. What is in the manifest is looked for among the values: the same, and at best under the same
keys. Where nothing like it is there, the template itself has written it.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hubops.desired.manifests.judge import value_at
from hubops.desired.manifests.model import Manifest
from hubops.desired.model import Hub
from hubops.desired.places import written_place
from hubops.desired.yaml import Path

Node = tuple[Path, Any]
# Of the object around what is wrong, which may have come as a whole from the values.
_LEVELS = 3
# A shorter text is among the values by chance.
_TELLING = 3
_WORD = re.compile(r"[a-z0-9]+")


def nodes_of(value: Any, path: Path = ()) -> Iterator[Node]:
    """Everything in values that is not empty, with its path."""
    if path and value not in (None, "", {}, []):
        yield path, value
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nodes_of(item, (*path, key))


def find_place(hub: Hub, nodes: Sequence[Node], manifest: Manifest, path: Path, *, by_chance: bool) -> str:
    """The file:line:column of the value that made what is at a path, or the nearest around it; empty where no value did.

    Not `by_chance` is a text that is no fault in itself, as a name, taken for another that is the same.
    """
    for length in range(len(path), max(0, len(path) - _LEVELS), -1):
        value = value_at(manifest.value, path[:length])
        if value in (None, "", {}, []) or (length < len(path) and not isinstance(value, dict | list)):
            continue
        for found in _likely(nodes, manifest, path[:length], value):
            if not (by_chance or _common(found, path[:length])):
                continue
            place = written_place(hub, (*found, *path[length:])) or written_place(hub, found)
            if place:
                return place
    return ""


def _likely(nodes: Sequence[Node], manifest: Manifest, path: Path, value: Any) -> list[Path]:
    """The paths of the values that are the same, the most alike first."""
    words = _words(f"{manifest.template} {manifest.name}")

    def likeness(found: Path) -> tuple[int, int]:
        return _common(found, path), len(words & _words(" ".join(map(str, found))))

    same = [found for found, other in nodes if type(other) is type(value) and other == value]
    good = [found for found in same if _is_telling(value) or _common(found, path)]
    return sorted(good, key=likeness, reverse=True)


def _is_telling(value: Any) -> bool:
    return isinstance(value, dict | list) or (isinstance(value, str) and len(value) >= _TELLING)


def _common(one: Path, other: Path) -> int:
    """How many keys two paths have in common, from their ends."""
    pairs = zip(_keys(one), _keys(other), strict=False)
    number = 0
    for mine, theirs in pairs:
        if mine != theirs:
            break
        number += 1
    return number


def _keys(path: Path) -> list[str]:
    return [part for part in reversed(path) if isinstance(part, str)]


def _words(text: str) -> set[str]:
    return {*_WORD.findall(text.lower())}
