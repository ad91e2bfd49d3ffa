"""Which pieces of a YAML text to replace, so that it says something else."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import yaml

from hubops.errors import RepositoryError
from hubops.scaffold import render
from hubops.scaffold.difference import find_steps, same
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
    with_comments,
)

Splice = tuple[int, int, str]
"""text[start:end] and what replaces it."""


def by_hand(where: str, why: str) -> RepositoryError:
    return RepositoryError("this cannot be changed by hubops", where=where, why=why, hint="Edit it by hand.")


class Splicer:
    """Gives the splices that turn what `text` says into something else. `text` ends in a line break."""

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
        steps = find_steps(old, new)
        gone = [i for kind, i, _ in steps if kind == "delete"]
        if len(gone) == len(found) and not is_block(node):
            yield from self._replace(entry, new, in_flow=in_flow)
            return
        for kind, i, j in steps:
            if kind == "change":
                yield from self._entry(found[i], old[i], new[j], in_flow=not is_block(node))
            elif kind == "insert":
                # What goes at the end of brackets goes together: nothing may be put into it.
                at = i if is_block(node) or {*range(i, len(found))} - {*gone} else len(found)
                yield self._inserted(found, at, new[j], node)
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
                behind = found[i + 1] if i + 1 < len(found) and i + 1 not in gone else None
                alone = isinstance(node, yaml.SequenceNode) and self._ends_alone(found, gone, i)
                yield self._without_lines(found[i], behind, alone=alone)
            elif i < last:
                yield found[i].start, found[i + 1].start, ""
        if not is_block(node) and last + 1 < len(found):
            yield found[last].end, found[-1].end, ""

    def _ends_alone(self, found: Sequence[Entry], gone: Collection[int], i: int) -> bool:
        """Whether no item stays directly below, for which a comment above could stand as well."""
        while i + 1 < len(found) and line_end(self.text, found[i].end) == line_start(
            self.text, found[i + 1].start
        ):
            i += 1
            if i not in gone:
                return False
        return True

    def _without_lines(self, entry: Entry, behind: Entry | None, *, alone: bool) -> Splice:
        if is_first_of_line(self.text, entry.start):
            start = with_comments(self.text, entry.start) if alone else line_start(self.text, entry.start)
            return start, line_end(self.text, entry.end), ""
        # It shares its line with the dash of a list, and what follows takes its place.
        if behind and "#" not in self.text[entry.end : behind.start]:
            return entry.start, behind.start, ""
        return entry.start, entry.end, ""

    def _replace(self, entry: Entry, new: Any, *, in_flow: bool) -> Iterator[Splice]:
        """Another kind of value, in the place of one that goes as a whole."""
        node = entry.node
        if node is None:
            line = self.text.count("\n", 0, entry.start) + 1
            raise by_hand(f"{self.file}:{line}", "an alias stands there")
        is_item = self.text[entry.spot - 1] == "-"
        if in_flow or not new or not isinstance(new, (dict, list)):
            yield from self._replace_short(entry, node, new, is_item=is_item, in_flow=in_flow)
        elif is_item:
            yield entry.spot, entry.end, render.behind_dash(new, column(self.text, entry.start), self.style)
        else:
            yield from self._emptied(entry, node)
            at = line_end(self.text, entry.end)
            lines = render.behind_key(new, column(self.text, entry.start), self.style)
            yield at, at, lines.removeprefix("\n") + "\n"

    def _replace_short(
        self, entry: Entry, node: yaml.Node, new: Any, *, is_item: bool, in_flow: bool
    ) -> Iterator[Splice]:
        """By what stands behind its key, or is a block of text."""
        in_place = is_item or not is_block(node)
        start, end = (node.start_mark.index, entry.end) if in_place else (entry.spot, entry.spot)
        if not in_place:
            yield from self._emptied(entry, node)
        lines = ""
        if not in_flow and self.text[end] in "\r\n":
            lines = render.literal(new, column(self.text, entry.start), self.style)
        quote = node.style if isinstance(node, yaml.ScalarNode) and node.style in {"'", '"'} else ""
        space = " " if self.text[start - 1 : start] in {":", "-"} else ""
        yield start, end, space + (lines or render.flow(new, quote))

    def _emptied(self, entry: Entry, node: yaml.Node) -> Iterator[Splice]:
        """A key without its value; comments between the lines of it stay."""
        if is_block(node):
            found = entries(self.text, node)
            yield from self._without(found, range(len(found)), node)
        else:
            yield entry.spot, entry.end, ""
