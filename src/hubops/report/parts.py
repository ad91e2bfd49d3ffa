"""What every report says of one thing, in the same words."""

from hubops.report.model import Outcome, Told
from hubops.report.text import clean, limited, one_line

_NAME, _NOTE = 100, 300  # characters
_DETAILS = 100  # lines
_MINUTE = 60


def thing(outcome: Outcome) -> str:
    return one_line(f"{outcome.kind} {outcome.name}", _NAME)


def heading(outcome: Outcome) -> str:
    return f"{thing(outcome)}: {outcome.result.value}"


def note(outcome: Outcome) -> str:
    """One line: the note, or what the error says first."""
    return one_line(outcome.note or (outcome.error.what if outcome.error else ""), _NOTE)


def deploy_number(outcome: Outcome) -> str:
    return "" if outcome.deploy is None else f"deploy {outcome.deploy}"


def took(outcome: Outcome) -> str:
    """The time it took; "" when it took none."""
    minutes, seconds = divmod(round(outcome.took_s), _MINUTE)
    if minutes:
        return f"{minutes} min {seconds} s"
    return f"{outcome.took_s:.1f} s" if outcome.took_s else ""


def told_lines(told: Told) -> list[str]:
    """The error line by line, each of its texts limited.

    Behind the first line only our labels stand at the start of one: no text can bring a "next:" of its own.
    """
    texts = [("", told.what), ("where: ", told.where), ("why: ", told.why), ("next: ", told.hint)]
    return [line for label, text in texts for line in _hung(label, limited(clean(text)))]


def body_lines(outcome: Outcome) -> list[str]:
    """All that is known: the error, else the note; empty when there is neither."""
    if outcome.error:
        return told_lines(outcome.error)
    return [line for line in [note(outcome)] if line]


def detail_lines(outcome: Outcome) -> list[str]:
    """Its details, each on one line; as many as a reader reads."""
    lines = [one_line(line, _NOTE) for line in outcome.details]
    left = len(lines) - _DETAILS
    return lines if left <= 0 else [*lines[:_DETAILS], f"... {left} more lines"]


def _hung(label: str, text: str) -> list[str]:
    first, *rest = text.split("\n")
    indent = " " * (len(label) or 2)
    return [label + first, *((indent + line).rstrip() for line in rest)] if text else []
