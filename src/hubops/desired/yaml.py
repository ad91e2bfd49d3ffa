"""YAML as Helm reads it: Go's rules for plain scalars, duplicates refused, places kept for messages."""

import math
import re
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
_BOM = "\ufeff"
_DIRECTIVE = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*%")
# Forms that libyaml does not tell from others and Go reads differently: an escaped slash, and the tag `!`.
_SUSPECT = re.compile(r"\\/|![\s,\]}]")
_ESCAPED_SLASH = re.compile(r'"(?:[^\\]|\\.)*?\\/', re.DOTALL)
_BARE_TAG = re.compile(r"(?:&\S+\s+)?!(?:\s|$)")


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

    Refused beyond what Helm refuses: a key twice, a second document, an anchor twice, tags but !!str, directives,
    other encodings than UTF-8, and within brackets a text that ends in a colon or is a tag alone.

    Raises:
        RepositoryError: with file:line:column.
    """
    text = _decoded(text, file)
    node = compose(text, file)
    reader = _Reader(file, {}, text if _SUSPECT.search(text) else "")
    return Document(file, reader.value(node, ()) if node else None, reader.places)


def compose(text: str, file: str) -> yaml.Node | None:
    """The nodes of the one document in `text` (without BOM), with their marks; None where there is no document.

    Raises:
        RepositoryError: it is not YAML; with file:line:column.
    """
    if directive := _DIRECTIVE.match(text):
        line = text.count("\n", 0, directive.end()) + 1
        hint = "Take the line out."
        raise RepositoryError("directives have no meaning here", where=f"{file}:{line}:1", hint=hint)
    try:
        return _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        if error.problem == "second occurrence":
            raise RepositoryError("this anchor is there twice", where=where, hint="Name it anew.") from error
        raise RepositoryError("this is not YAML", where=where, why=error.problem or "") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise RepositoryError("this is not YAML", where=file, why=str(error)) from error


def _decoded(text: str | bytes, file: str) -> str:
    try:
        return (text.decode() if isinstance(text, bytes) else text).removeprefix(_BOM)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise RepositoryError("this is not UTF-8", where=f"{file}:{line}", why=error.reason) from error


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
    """Turns nodes into values, noting places. `text` is only there where a form in it is suspect."""

    def __init__(self, file: str, places: dict[Path, str], text: str) -> None:
        self.file = file
        self.places = places
        self._text = text
        self._values = 0
        self._told: set[int] = set()

    def value(self, node: Any, path: Path, *, in_flow: bool = False) -> Any:
        self._values += 1
        if len(path) > _DEEPEST or self._values > _MOST_VALUES:
            raise self._refusal(node, "this is nested too deeply, or grows without end by its aliases")
        self.places.setdefault(path, self._place(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, in_flow=in_flow)
        if node.tag != _COLLECTION:
            raise self._refusal(node, f"the tag {node.tag} has no meaning here")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        in_flow = node.flow_style
        return [self.value(item, (*path, index), in_flow=in_flow) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        """In the order of the file: to Go, a merge replaces what stands above it (YAML would let that win)."""
        found: dict[str, Any] = {}
        own: set[str] = set()
        in_flow = bool(node.flow_style)
        for key_node, child in node.value:
            if key_node.tag == _PLAIN and key_node.value == _MERGE:
                for merged in self._merged(child):
                    found |= self.value(merged, path)
                continue
            key = self._key(key_node, in_flow=in_flow)
            if key in own:
                raise self._refusal(key_node, f"the key {key} is there twice", "Keep one.")
            own.add(key)
            self.places[*path, key] = self._place(key_node)
            found[key] = self.value(child, (*path, key), in_flow=in_flow)
        return found

    def _merged(self, node: yaml.Node) -> Iterator[yaml.Node]:
        """The maps that `<<` brings in, last first: of several, the first that has a key decides."""
        for one in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(one, yaml.MappingNode):
                raise self._refusal(one, "<< takes a mapping or a list of mappings")
            yield one

    def _key(self, node: yaml.Node, *, in_flow: bool) -> str:
        key = read_key(node)
        if isinstance(node, yaml.ScalarNode):
            self._require_told(node, in_flow=in_flow)
        if not isinstance(key, str):
            raise self._refusal(node, "this cannot be a key", "Quote it.")
        return key

    def _scalar(self, node: yaml.ScalarNode, *, in_flow: bool) -> Any:
        self._require_told(node, in_flow=in_flow)
        if node.tag in (_QUOTED, _STRING):
            return node.value
        if node.tag != _PLAIN:
            raise self._refusal(node, f"the tag {node.tag} is not understood", "Write the value without it.")
        value = resolve(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refusal(node, f"{node.value} is no value that Helm can take", "Quote it.")
        return value

    def _require_told(self, node: yaml.ScalarNode, *, in_flow: bool) -> None:
        """What libyaml reads and Go's reader refuses, or reads differently."""
        if node.tag == _PLAIN and "?" in node.value[1:]:
            if in_flow and id(node) not in self._told:
                raise self._refusal(node, "Helm takes no ? in a text within brackets", "Quote it.")
            self._told.add(id(node))  # an alias of it may be within brackets
        if in_flow and node.tag == _STRING and not node.value and not node.style:
            # Go's reader takes the comma that follows for a part of the tag.
            raise self._refusal(node, "Helm wants a text behind a tag within brackets", 'Write "" instead.')
        if not self._text:
            return
        written = self._text[node.start_mark.index : node.end_mark.index]
        if _BARE_TAG.match(written):
            raise self._refusal(node, "the tag ! has no meaning here", "Quote the value instead.")
        if _ESCAPED_SLASH.match(written):
            raise self._refusal(node, r"Helm does not know \/", "Write / without the backslash.")

    def _place(self, node: yaml.Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def _refusal(self, node: yaml.Node, what: str, hint: str = "") -> RepositoryError:
        return RepositoryError(what, where=self._place(node), hint=hint)
