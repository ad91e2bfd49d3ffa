"""YAML exactly as Helm reads it: Go's rules for plain scalars, duplicates refused, places kept for messages."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from hubops.errors import RepositoryError

# Helm reads YAML with sigs.k8s.io/yaml (goyaml.v2): these are its words and number forms. What they give
# was seen with `helm template`, case by case; tests/cluster/test_values_agree.py compares again.
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_INTEGER = re.compile(r"[-+]?(0[bB][01]+|0[oO][0-7]+|0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_STRING = "tag:yaml.org,2002:str"
_MERGE = "<<"

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A file's content, and where in it each value stands ("file:line:column")."""

    file: str
    value: Any
    places: Mapping[Path, str]

    def place(self, *path: str | int) -> str:
        """Where a value stands, or the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, self.file)


def parse_yaml(text: str, file: str) -> Document:
    """The one document in `text`.

    Raises:
        RepositoryError: it is not YAML, has a key twice, or holds what JSON cannot; with file:line:column.
    """
    try:
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise RepositoryError("this is not YAML", where=where, why=error.problem or "") from error
    places: dict[Path, str] = {}
    value = _value(node, (), _Reader(file, places)) if node else None
    return Document(file, value, places)


@dataclass(frozen=True)
class _Reader:
    file: str
    places: dict[Path, str]

    def place(self, node: yaml.Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _value(node: yaml.Node, path: Path, reader: _Reader) -> Any:
    reader.places.setdefault(path, reader.place(node))
    if isinstance(node, yaml.MappingNode):
        return dict(_entries(node, path, reader))
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, index), reader) for index, child in enumerate(node.value)]
    return _scalar(node, reader)


def _entries(node: yaml.MappingNode, path: Path, reader: _Reader) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    merged: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key_node, child in node.value:
        if key_node.value == _MERGE and not key_node.style:
            merged = _merged(child, path, reader)
            continue
        key = _key(_scalar(key_node, reader))
        if key in seen:
            raise RepositoryError(
                f"the key {key} is there twice", where=reader.place(key_node), hint="Keep one."
            )
        seen.add(key)
        reader.places[*path, key] = reader.place(key_node)
        own[key] = _value(child, (*path, key), reader)
    yield from {**merged, **own}.items()


def _merged(node: yaml.Node, path: Path, reader: _Reader) -> dict[str, Any]:
    """What `<<: *anchor` brings in: of several maps, the first that has a key decides."""
    maps = node.value if isinstance(node, yaml.SequenceNode) else [node]
    found: dict[str, Any] = {}
    for one in reversed(maps):
        found |= _value(one, path, reader)
    return found


def _key(value: Any) -> str:
    """Keys are strings to Helm, whatever they look like."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _scalar(node: Any, reader: _Reader) -> Any:
    text: str = node.value
    if node.style or (node.tag == _STRING and not _is_implicit(node)):
        return text
    if _NOT_JSON.fullmatch(text):
        raise RepositoryError(f"{text} is no value that Helm can take", where=reader.place(node))
    return resolve(text)


def _is_implicit(node: yaml.Node) -> bool:
    """Whether no tag was written: a plain scalar spans exactly its own characters."""
    return bool(node.end_mark.index - node.start_mark.index == len(node.value))


def resolve(text: str) -> Any:
    """The value of a plain scalar under Go's rules."""
    if text in _WORDS:
        return _WORDS[text]
    digits = text.replace("_", "")
    if text.startswith("_"):
        return text
    if _INTEGER.fullmatch(digits):
        return _integer(digits)
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return (
            text
            if math.isinf(number)
            else int(number)
            if number.is_integer() and abs(number) < 2**53
            else number
        )
    return text


def _integer(digits: str) -> int:
    unsigned = digits.lstrip("+-").lower()
    base = {"0b": 2, "0o": 8, "0x": 16}.get(unsigned[:2])
    if base is None:
        base = 8 if unsigned.startswith("0") and unsigned != "0" else 10
    else:
        unsigned = unsigned[2:]
    value = int(unsigned, base)
    return -value if digits.startswith("-") else value
