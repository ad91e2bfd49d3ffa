"""Where the parts of a YAML text begin and end, by the marks of its nodes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

import yaml

from hubops.desired.yaml import read_key

Filled = yaml.MappingNode | yaml.SequenceNode
_COLON = re.compile(r"\s*:")
_DASH = re.compile(r"^ *-(?=\s)", re.MULTILINE)
_LAST_BREAK = re.compile(r"\r?\n$")
_ALIAS = re.compile(r"[\s,]*\*[\w-]+")


@dataclass(frozen=True)
class Entry:
    """text[start:end] is a key with its value, or an item of a list from its dash on.

    `spot` is where the value may begin: behind the colon or the dash. `node` is None where an alias stands: its
    text is elsewhere. `key` is None for items, for `<<`, and for what is no key.
    """

    key: str | None
    start: int
    spot: int
    end: int
    node: yaml.Node | None


def is_block(node: yaml.Node | None) -> TypeGuard[Filled]:
    """Whether it is a mapping or list that is written without brackets."""
    return isinstance(node, Filled) and not node.flow_style


def entries(text: str, node: Filled) -> list[Entry]:
    """The entries of a mapping or list, in the order of the text."""
    return list(_pairs(text, node) if isinstance(node, yaml.MappingNode) else _items(text, node))


def line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Behind the line break; of a text that ends in one."""
    return text.index("\n", at) + 1


def with_comments(text: str, start: int) -> int:
    """Where the comments begin that stand directly above the line of `start`, as far in as it; its line's start for none."""
    here, indent = line_start(text, start), column(text, start)
    while here:
        above = line_start(text, here - 1)
        if not text[above:here].startswith(" " * indent + "#"):
            break
        here = above
    return here


def column(text: str, at: int) -> int:
    return at - line_start(text, at)


def is_first_of_line(text: str, at: int) -> bool:
    return not text[line_start(text, at) : at].strip()


def _pairs(text: str, node: yaml.MappingNode) -> Iterator[Entry]:
    for key, value in node.value:
        behind = end_of(text, key)
        colon = _COLON.match(text, behind)
        yield _entry(text, read_key(key), key.start_mark.index, colon.end() if colon else behind, value)


def _items(text: str, node: yaml.SequenceNode) -> Iterator[Entry]:
    dash, behind = _DASH, node.start_mark.index + (1 if node.flow_style else 0)
    for item in node.value:
        if node.flow_style:
            start = spot = max(item.start_mark.index, behind)
        else:
            start = behind if text[behind] == "-" else _dash(text, dash, behind)
            dash, spot = re.compile(rf"^ {{{column(text, start)}}}-(?=\s)", re.MULTILINE), start + 1
        entry = _entry(text, None, start, spot, item)
        behind = entry.end
        yield entry


def _dash(text: str, dash: re.Pattern[str], behind: int) -> int:
    found = dash.search(text, behind)
    return found.end() - 1 if found else behind


def _entry(text: str, key: str | None, start: int, spot: int, value: yaml.Node) -> Entry:
    if value.start_mark.index >= spot:
        return Entry(key, start, spot, end_of(text, value), value)
    alias = _ALIAS.match(text, spot)
    return Entry(key, start, spot, alias.end() if alias else spot, None)


def end_of(text: str, node: yaml.Node) -> int:
    """Where what is written ends; marks of blocks reach over blank lines and comments to what comes next."""
    start, end = node.start_mark.index, node.end_mark.index
    if is_block(node):
        return entries(text, node)[-1].end
    if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        keeps = "+" in text[start : line_end(text, start)].split("#")[0]
        return start + len(_LAST_BREAK.sub("", text[start:end]) if keeps else text[start:end].rstrip("\r\n"))
    return int(end)
