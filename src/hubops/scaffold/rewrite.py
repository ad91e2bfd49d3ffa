"""Changing what a YAML text says and nothing else of it: comments, order, quotes, indentation, line ends stay."""

import json
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise, zip_longest
from operator import itemgetter
from typing import Any

import yaml

from hubops.desired.yaml import compose, parse_yaml
from hubops.errors import RepositoryError
from hubops.scaffold import render
from hubops.scaffold.render import Style
from hubops.scaffold.spans import (
    Entry,
    column,
    end_of,
    entries,
    is_block,
    is_first_of_line,
    line_end,
    line_start,
)

Splice = tuple[int, int, str]
_BOM = "\ufeff"


def rewrite(text: str, value: Any, file: str) -> str:
    """The text with as few lines changed as make it say `value`; the same text where it says so already.

    Comments stay, but for one that stands in a line, or within a value, that is taken out.

    Raises:
        RepositoryError: the text is not YAML, or cannot be changed so (aliases, merges): to do by hand.
    """
    if same(parse_yaml(text, file).value or {}, value):
        return text
    body = text.removeprefix(_BOM)
    newline = "\r\n" if "\r\n" in body else "\n"
    padding = "" if body.endswith("\n") or not body else newline
    after = text[: len(text) - len(body)] + _changed(body + padding, value, file, newline)
    after = after.removesuffix(padding) if padding else after
    _require_said(after, value, file)
    return after


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to who reads them: 1 and true are not, 1 and 1.0 are."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _changed(text: str, value: Any, file: str, newline: str) -> str:
    node, old = compose(text, file), parse_yaml(text, file).value
    if node is None or old is None:
        return text + render.block(value, 0, Style()).replace("\n", newline)
    splices = sorted(
        _Rewriter(text, file, _style(text, node)).changes(node, old, value), key=itemgetter(0, 1)
    )
    if any(before[1] > behind[0] for before, behind in pairwise(splices)):
        raise _by_hand(file, "the places to change lie over one another")
    for start, end, new in reversed(splices):
        text = text[:start] + new.replace("\n", newline) + text[end:]
    return text


def _require_said(text: str, value: Any, file: str) -> None:
    try:
        said = parse_yaml(text, file).value
    except RepositoryError as error:
        raise _by_hand(file, f"{error.what}, if hubops did it") from error
    if not same({} if said is None else said, value):
        raise _by_hand(file, "what it says would not be what was meant, for example by an alias or <<")


def _by_hand(where: str, why: str) -> RepositoryError:
    return RepositoryError("this cannot be changed by hubops", where=where, why=why, hint="Edit it by hand.")


def _style(text: str, node: yaml.Node) -> Style:
    """The habits of the first mapping and the first list below a key; as in the example fleet where there are none."""
    found: dict[type, int] = {}
    todo = [node]
    while todo:
        here = todo.pop(0)
        for entry in entries(text, here) if is_block(here) else []:
            if entry.node is None:
                continue
            todo.append(entry.node)
            if is_block(entry.node) and entry.key is not None:
                first = entries(text, entry.node)[0].start
                found.setdefault(type(entry.node), column(text, first) - column(text, entry.start))
    return Style(max(1, found.get(yaml.MappingNode, 2)), max(0, found.get(yaml.SequenceNode, 2)))


class _Rewriter:
    """Gives the splices that turn what `text` says into something else; none lies over another."""

    def __init__(self, text: str, file: str, style: Style) -> None:
        self.text = text
        self.file = file
        self.style = style

    def changes(self, node: yaml.Node, old: Any, new: Any) -> Iterator[Splice]:
        """From a whole document that is a mapping."""
        start = node.start_mark.index
        whole = Entry(None, start, start, end_of(self.text, node), node)
        if isinstance(node, yaml.MappingNode) and (is_block(node) or old.keys() & new.keys()):
            yield from self._mapping(node, old, new)
        else:
            yield from self._replace(whole, new, in_flow=True)

    def _entry(self, entry: Entry, old: Any, new: Any, *, in_flow: bool) -> Iterator[Splice]:
        if same(old, new):
            return
        node = entry.node
        if isinstance(node, yaml.MappingNode) and isinstance(new, dict) and old.keys() & new.keys():
            yield from self._mapping(node, old, new)
        elif isinstance(node, yaml.SequenceNode) and isinstance(new, list) and new and old:
            yield from self._list(entry, node, old, new, in_flow=in_flow)
        else:
            yield from self._replace(entry, new, in_flow=in_flow)

    def _mapping(self, node: yaml.MappingNode, old: Any, new: Any) -> Iterator[Splice]:
        found = entries(self.text, node)
        own = {entry.key: entry for entry in found if entry.key is not None}
        for key, entry in own.items():
            if key in new:
                yield from self._entry(entry, old[key], new[key], in_flow=not is_block(node))
        gone = [i for i, entry in enumerate(found) if entry.key is not None and entry.key not in new]
        yield from self._without(found, gone, node)
        added = {
            key: new[key] for key in new if key not in own and not (key in old and same(old[key], new[key]))
        }
        if added and is_block(node):
            at = line_end(self.text, found[-1].end)
            yield at, at, render.block(added, column(self.text, found[0].start), self.style)
        elif added:
            yield self._into_flow(found, len(found), render.flow(added)[1:-1])

    def _list(
        self, entry: Entry, node: yaml.SequenceNode, old: list[Any], new: list[Any], *, in_flow: bool
    ) -> Iterator[Splice]:
        found = entries(self.text, node)
        steps = _steps(old, new)
        gone = [i for kind, i, _ in steps if kind == "delete"]
        if len(gone) == len(found) and not is_block(node):
            yield from self._replace(entry, new, in_flow=in_flow)
            return
        for kind, i, j in steps:
            if kind == "change":
                yield from self._entry(found[i], old[i], new[j], in_flow=not is_block(node))
            elif kind == "insert":
                yield self._inserted(found, i, new[j], node)
        yield from self._without(found, gone, node)

    def _inserted(self, found: Sequence[Entry], index: int, item: Any, node: yaml.Node) -> Splice:
        if not is_block(node):
            return self._into_flow(found, index, render.flow(item))
        lines = render.block([item], column(self.text, found[0].start), self.style)
        if index:
            at = line_end(self.text, found[index - 1].end)
            return at, at, lines
        pad = " " * column(self.text, found[0].start)
        return found[0].start, found[0].start, lines.removeprefix(pad) + pad

    def _into_flow(self, found: Sequence[Entry], index: int, new: str) -> Splice:
        if index < len(found):
            return found[index].start, found[index].start, f"{new}, "
        return found[-1].end, found[-1].end, f", {new}"

    def _without(self, found: Sequence[Entry], gone: Collection[int], node: yaml.Node) -> Iterator[Splice]:
        """Entries taken out: whole lines of a block, with one of the commas in brackets."""
        gone = set(gone)
        last = max({*range(len(found))} - gone, default=-1)
        for i in sorted(gone):
            if is_block(node):
                yield self._without_lines(
                    found[i], found[i + 1] if i + 1 < len(found) and i + 1 not in gone else None
                )
            elif i < last:
                yield found[i].start, found[i + 1].start, ""
        if not is_block(node) and last + 1 < len(found):
            yield found[last].end, found[-1].end, ""

    def _without_lines(self, entry: Entry, behind: Entry | None) -> Splice:
        if is_first_of_line(self.text, entry.start):
            return line_start(self.text, entry.start), line_end(self.text, entry.end), ""
        # It shares its line with the dash of a list, and what follows takes its place.
        if behind and "#" not in self.text[entry.end : behind.start]:
            return entry.start, behind.start, ""
        return entry.start, entry.end, ""

    def _replace(self, entry: Entry, new: Any, *, in_flow: bool) -> Iterator[Splice]:
        """Another kind of value, in the place of one that goes as a whole."""
        node, text = entry.node, self.text
        if node is None:
            line = text.count("\n", 0, entry.start) + 1
            raise _by_hand(f"{self.file}:{line}", "an alias stands there")
        place = column(text, entry.start)
        is_item = text[entry.spot - 1] == "-"
        own_lines = not in_flow and bool(new) and isinstance(new, (dict, list))
        if is_block(node) and not is_item:
            yield from self._without(found := entries(text, node), range(len(found)), node)
        elif own_lines and not is_item:
            yield entry.spot, entry.end, ""
        if own_lines and not is_item:
            at = line_end(text, entry.end)
            yield at, at, render.behind_key(new, place, self.style).removeprefix("\n") + "\n"
        elif is_block(node) and not is_item:
            yield entry.spot, entry.spot, self._short(new, entry, node)
        elif own_lines:
            yield entry.spot, entry.end, render.behind_dash(new, place, self.style)
        else:
            start = node.start_mark.index
            new_text = self._short(new, entry, node, in_flow=in_flow)
            yield start, entry.end, new_text if text[start - 1 : start] in {":", "-"} else new_text[1:]

    def _short(self, new: Any, entry: Entry, node: yaml.Node, *, in_flow: bool = False) -> str:
        """A space, and a scalar or what is to stand in one line."""
        alone = not self.text[entry.end : line_end(self.text, entry.end)].strip()
        if (
            alone
            and not in_flow
            and (lines := render.literal(new, column(self.text, entry.start) + self.style.step))
        ):
            return f" {lines}"
        quote = (node.style or "") if isinstance(node, yaml.ScalarNode) else ""
        return " " + (
            render.scalar(new, quote if quote in "'\"" else "") if isinstance(new, str) else render.flow(new)
        )


def _steps(old: list[Any], new: list[Any]) -> list[tuple[str, int, int]]:
    """What makes one list of the other: delete old[i]; insert new[j] before old[i]; change old[i] into new[j].

    Only a mapping or list may be changed into another: what is said beside a name is not true of the next.
    """
    found: list[tuple[str, int, int]] = []
    before, after = ([json.dumps(item, sort_keys=True) for item in items] for items in (old, new))
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        for i, j in zip_longest(range(i1, i2), range(j1, j2)):
            if i is not None and j is not None and _alike(old[i], new[j]):
                found.append(("change", i, j))
                continue
            if i is not None:
                found.append(("delete", i, 0))
            if j is not None:
                found.append(("insert", i2 if i is None else i + 1, j))
    return found


def _alike(old: Any, new: Any) -> bool:
    return isinstance(old, (dict, list)) and type(old) is type(new)
