"""Changing what a YAML text says and nothing else of it: comments, order, quotes, indentation, line ends stay."""

from dataclasses import replace
from itertools import pairwise
from operator import itemgetter
from typing import Any

import yaml

from hubops.desired.yaml import compose, parse_yaml
from hubops.errors import RepositoryError
from hubops.scaffold import render
from hubops.scaffold.difference import same
from hubops.scaffold.render import Style
from hubops.scaffold.spans import column, entries, is_block
from hubops.scaffold.splices import Splicer, by_hand

_BOM = "\ufeff"


def rewrite(text: str, value: Any, file: str) -> str:
    """The text with as few lines changed as make it say `value`; the same text where it says so already.

    Comments stay, but for one that stands in a line, or within a value, that is taken out; and those above an
    item of a list that goes, where no other item stands directly below it.

    Raises:
        RepositoryError: the text is not YAML, or cannot be changed so (aliases, merges): to do by hand.
    """
    if same(parse_yaml(text, file).value or {}, value):
        return text
    try:
        return _rewritten(text, value, file, has_blocks=True)
    except RepositoryError:
        # Comments and blank lines that follow may have become part of a block of text.
        return _rewritten(text, value, file, has_blocks=False)


def _rewritten(text: str, value: Any, file: str, *, has_blocks: bool) -> str:
    body = text.removeprefix(_BOM)
    newline = "\r\n" if "\r\n" in body else "\n"
    padding = "" if body.endswith("\n") or not body else newline
    changed = _spliced(body + padding, value, file, has_blocks=has_blocks, newline=newline)
    after = text[: len(text) - len(body)] + changed.removesuffix(padding)
    _require_said(after, value, file)
    return after


def _spliced(text: str, value: Any, file: str, *, has_blocks: bool, newline: str) -> str:
    node, old = compose(text, file), parse_yaml(text, file).value
    if node is None or old is None:
        return text + render.block(value, 0, Style(has_blocks=has_blocks)).replace("\n", newline)
    splicer = Splicer(text, file, replace(_style(text, node), has_blocks=has_blocks))
    splices = sorted(splicer.changes(node, old, value), key=itemgetter(0, 1))
    if any(before[1] > behind[0] for before, behind in pairwise(splices)):
        raise by_hand(file, "the places to change lie over one another")
    for start, end, new in reversed(splices):
        text = text[:start] + new.replace("\n", newline) + text[end:]
    return text


def _require_said(text: str, value: Any, file: str) -> None:
    try:
        said = parse_yaml(text, file).value
    except RepositoryError as error:
        raise by_hand(file, f"{error.what}, if hubops did it") from error
    if not same({} if said is None else said, value):
        raise by_hand(file, "what it says would not be what was meant, for example by an alias or <<")


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
