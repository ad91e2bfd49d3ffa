"""What long work tells whoever watches. Data only: cli/ decides how it looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True)
class StepStarted:
    """A step that takes noticeable time begins."""

    title: str


@dataclass(frozen=True)
class StepEnded:
    """The step `title` ended after `took_s` seconds; `note` says what came of it, e.g. "already done"."""

    title: str
    took_s: float
    failed: bool = False
    note: str = ""


@dataclass(frozen=True)
class CommandStarted:
    """An outside command as a person would type it, already masked."""

    text: str


@dataclass(frozen=True)
class Line:
    """A line of a program's output; shown when it is asked for. `of` is the title of its step, "" for the latest."""

    text: str
    of: str = ""


@dataclass(frozen=True)
class Output:
    """All that a step's program printed is in a file, complete."""

    title: str
    file: str


@dataclass(frozen=True)
class Remark:
    """Something that a person should know although nothing failed: shown in any case."""

    text: str


Event = StepStarted | StepEnded | CommandStarted | Line | Output | Remark
Emit = Callable[[Event], None]


class StepNote:
    """Lets the body of a step say in one phrase what came of it."""

    text = ""


@contextmanager
def step(emit: Emit, title: str) -> Iterator[StepNote]:
    """Report the body as one step. Errors pass through; the step is then reported as failed."""
    began, note = monotonic(), StepNote()
    emit(StepStarted(title))
    try:
        yield note
    except BaseException:
        emit(StepEnded(title, monotonic() - began, failed=True))
        raise
    emit(StepEnded(title, monotonic() - began, note=note.text))
