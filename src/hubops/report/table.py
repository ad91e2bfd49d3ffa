"""The end of a run, for a terminal or the log of a CI job."""

from collections.abc import Iterable, Sequence
from textwrap import wrap

from hubops.report.model import Outcome
from hubops.report.parts import deploy_number, detail_lines, heading, note, thing, told_lines, took
from hubops.report.text import inert

_NARROWEST = 30  # characters of a note on a line, however wide the rest is


def format_table(outcomes: Sequence[Outcome], width: int = 110) -> str:
    """One row for each thing, aligned, notes wrapped at `width` characters; below, each error in full.

    Plain text without colour, no newline at the end, no line that a CI log takes for a command.
    """
    if not outcomes:
        return "Nothing to do."
    details = [line for outcome in outcomes for line in _details(outcome)]
    errors = [line for outcome in outcomes if outcome.error for line in _error(outcome)]
    return "\n".join(inert(line) for line in [*_rows(outcomes, width), *details, *errors])


def _rows(outcomes: Sequence[Outcome], width: int) -> Iterable[str]:
    columns = [[part(o) for o in outcomes] for part in (thing, _result, deploy_number, took)]
    aligned = [_aligned(column) for column in columns if any(column)]
    for outcome, cells in zip(outcomes, zip(*aligned, strict=True), strict=True):
        yield from _row("  ".join(cells) + "  ", note(outcome), width)


def _row(left: str, text: str, width: int) -> Iterable[str]:
    room = max(width - len(left), _NARROWEST)
    first, *rest = wrap(text, room, break_on_hyphens=False) or [""]  # names have hyphens
    yield (left + first).rstrip()
    yield from (" " * len(left) + line for line in rest)


def _aligned(column: list[str]) -> list[str]:
    widest = max(len(cell) for cell in column)
    return [cell.ljust(widest) for cell in column]


def _details(outcome: Outcome) -> Iterable[str]:
    lines = detail_lines(outcome)
    return ["", f"{thing(outcome)}:", *(f"  {line}" for line in lines)] if lines else []


def _error(outcome: Outcome) -> Iterable[str]:
    lines = told_lines(outcome.error) if outcome.error else []
    return ["", heading(outcome), *(f"  {line}".rstrip() for line in lines)]


def _result(outcome: Outcome) -> str:
    return outcome.result.value
