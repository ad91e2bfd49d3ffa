"""What needs a person's eye, as GitHub shows it beside the line it is about."""

import re
from collections.abc import Sequence

from hubops.report.model import Outcome, Result
from hubops.report.parts import body_lines, heading
from hubops.report.text import clean, limited

_LEVELS = {
    Result.FAILED: "error",
    Result.UNKNOWN: "error",
    Result.ROLLED_BACK: "error",
    Result.REFUSED: "error",
    Result.HELD: "warning",
    Result.NOT_PROVED: "warning",
    Result.SKIPPED: "warning",
}
# A path of the repository has a slash or is a YAML file at the top; "registry.example:5000" has and is neither.
_PLACE = re.compile(
    r"(?=[^\s:]*/|[^\s:]+\.ya?ml:)(?P<file>[^\s:]+):(?P<line>[1-9][0-9]*)(?::(?P<col>[1-9][0-9]*))?"
)


def format_annotations(outcomes: Sequence[Outcome]) -> list[str]:
    """One workflow command, one line, for each outcome that is not well.

    GitHub shows the first ten errors and ten warnings of a step (actions/toolkit, docs/problem-matchers.md).
    """
    return [_command(outcome) for outcome in outcomes if outcome.result in _LEVELS]


def format_command(level: str, where: str, title: str, lines: Sequence[str]) -> str:
    """One workflow command; `level` is error or warning, `where` a place in the repository or none."""
    place = _PLACE.fullmatch(clean(where))
    properties = {**(place.groupdict() if place else {}), "title": title}
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{level} {written}::{_data(limited(chr(10).join(lines)))}"


def _command(outcome: Outcome) -> str:
    where = outcome.error.where if outcome.error else ""
    lines = body_lines(outcome) or [outcome.result.value]
    return format_command(_LEVELS[outcome.result], where, heading(outcome), lines)


def _data(text: str) -> str:
    """As escapeData in actions/toolkit, packages/core/src/command.ts; "%" goes first."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As escapeProperty there."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
