"""YAML as Helm reads it: Go's rules for plain scalars, duplicates refused, places kept for messages."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from hubops.desired.go_scalars import key_of, resolve
from hubops.errors import RepositoryError

Path = tuple[str | int, ...]

# What _Composer calls a node without a written tag.
_PLAIN, _QUOTED, _COLLECTION = "plain", "quoted", "collection"
_STRING = "tag:yaml.org,2002:str"
_MERGE = "<<"
_DEEPEST = 100
_MOST_VALUES = 400_000  # Go's reader begins to refuse documents that grow by their aliases here


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


def parse_yaml(text: str | bytes, file: str) -> Document:
    """The one document in `text`; what Helm would read from it, or an error where Helm fails or guesses.

    Refused beyond what Helm refuses: a key twice, a second document, an anchor twice, explicit tags but !!str.

    Raises:
        RepositoryError: with file:line:column.
    """
    node = compose(text, file)
    reader = _Reader(file, {})
    return Document(file, reader.value(node, ()) if node else None, reader.places)


def compose(text: str | bytes, file: str) -> yaml.Node | None:
    """The nodes of the one document in `text`, with their marks; None where there is no document.

    Raises:
        RepositoryError: it is not YAML; with file:line:column.
    """
    try:
        return _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise RepositoryError("this is not YAML", where=where, why=error.problem or "") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise RepositoryError("this is not YAML", where=file, why=str(error)) from error


def read_key(node: yaml.Node) -> str | None:
    """The key that a node of a mapping becomes; None where it is none: Helm refuses it, or it merges."""
    if node.tag == _PLAIN:
        return None if node.value == _MERGE else key_of(node.value)
    return node.value if node.tag in {_QUOTED, _STRING} else None


class _Composer(yaml.CBaseLoader):
    """libyaml's parser; `resolve` is its hook for nodes without a written tag."""

    def resolve(self, kind: type[Any], _value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return _COLLECTION
        return _PLAIN if implicit[0] else _QUOTED


class _Reader:
    """Turns nodes into values, noting places."""

    def __init__(self, file: str, places: dict[Path, str]) -> None:
        self.file = file
        self.places = places
        self._values = 0

    def value(self, node: Any, path: Path) -> Any:
        self._values += 1
        if len(path) > _DEEPEST or self._values > _MOST_VALUES:
            raise self._refusal(node, "this is nested too deeply, or grows without end by its aliases")
        self.places.setdefault(path, self._place(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag != _COLLECTION:
            raise self._refusal(node, f"the tag {node.tag} has no meaning here")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        """In the order of the file: to Go, a merge replaces what stands above it (YAML would let that win)."""
        found: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, child in node.value:
            if key_node.tag == _PLAIN and key_node.value == _MERGE:
                for merged in self._merged(child):
                    found |= self.value(merged, path)
                continue
            key = self._key(key_node)
            if key in own:
                raise self._refusal(key_node, f"the key {key} is there twice", "Keep one.")
            own.add(key)
            self.places[*path, key] = self._place(key_node)
            found[key] = self.value(child, (*path, key))
        return found

    def _merged(self, node: yaml.Node) -> Iterator[yaml.Node]:
        """The maps that `<<` brings in, last first: of several, the first that has a key decides."""
        for one in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(one, yaml.MappingNode):
                raise self._refusal(one, "<< takes a mapping or a list of mappings")
            yield one

    def _key(self, node: yaml.Node) -> str:
        key = read_key(node)
        if not isinstance(key, str):
            raise self._refusal(node, "this cannot be a key", "Quote it.")
        return key

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag in (_QUOTED, _STRING):
            return node.value
        if node.tag != _PLAIN:
            raise self._refusal(node, f"the tag {node.tag} is not understood", "Write the value without it.")
        value = resolve(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refusal(node, f"{node.value} is no value that Helm can take", "Quote it.")
        return value

    def _place(self, node: yaml.Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def _refusal(self, node: yaml.Node, what: str, hint: str = "") -> RepositoryError:
        return RepositoryError(what, where=self._place(node), hint=hint)
