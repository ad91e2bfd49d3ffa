"""New values as YAML text, which Go's reader takes for just these values."""

import re
import sys
from dataclasses import dataclass
from typing import Any

import yaml

from hubops.desired.go_scalars import resolve

# What may stand without quotes anywhere in YAML, as far as its letters go.
_PLAIN = re.compile(r"[\w/]([\w ./@+=~-]*[\w./@+=~-])?")


@dataclass(frozen=True)
class Style:
    """A file's habits: by how many columns mappings, and the dashes of lists, are indented below their key.

    `has_blocks`: texts of several lines are written as blocks.
    """

    step: int = 2
    dash: int = 2
    has_blocks: bool = True


def block(value: Any, column: int, style: Style) -> str:
    """A filled mapping or list in lines of its own."""
    pad = " " * column
    if isinstance(value, dict):
        return "".join(
            f"{pad}{scalar(key)}:{behind_key(item, column, style)}\n" for key, item in value.items()
        )
    return "".join(f"{pad}-{behind_dash(item, column, style)}\n" for item in value)


def behind_key(value: Any, column: int, style: Style) -> str:
    """What follows the colon of a key that stands at `column`."""
    if isinstance(value, (dict, list)) and value:
        indent = style.step if isinstance(value, dict) else style.dash
        return "\n" + block(value, column + indent, style).removesuffix("\n")
    return " " + (literal(value, column, style) or flow(value))


def behind_dash(value: Any, column: int, style: Style) -> str:
    """What follows the dash that stands at `column`."""
    if isinstance(value, (dict, list)) and value:
        return " " + block(value, column + 2, style).lstrip(" ").removesuffix("\n")
    return " " + (literal(value, column, style) or flow(value))


def literal(value: Any, column: int, style: Style) -> str:
    """A text of several lines as people write it; empty where that would not be the same text."""
    if (
        not style.has_blocks
        or not isinstance(value, str)
        or "\n" not in value.rstrip("\n")
        or value[0] in " \t\n"
    ):
        return ""
    if not value.replace("\n", "").isprintable():
        return ""
    body = value.rstrip("\n")
    ends = len(value) - len(body)
    pad = " " * (column + style.step)
    lines = [f"{pad}{line}" if line else "" for line in body.split("\n")] + [""] * max(ends - 1, 0)
    return "\n".join([f"|{'-' if not ends else '' if ends == 1 else '+'}", *lines])


def flow(value: Any, quote: str = "") -> str:
    """Any value in one line; `quote` as for `scalar`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value, quote)


def scalar(value: Any, quote: str = "") -> str:
    """One scalar; a text is quoted as it was before, or where it would be read as something else."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if not isinstance(value, str):
        return repr(value)
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if not quote and _PLAIN.fullmatch(value) and resolve(value) == value:
        return value
    return _quoted(value)


def _quoted(value: str) -> str:
    text: str = yaml.dump(value, default_style='"', allow_unicode=True, width=sys.maxsize)
    return text.rstrip("\n")
