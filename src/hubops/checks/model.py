"""What a check of running objects finds."""

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Whether an object is where it should be."""

    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """A state with its reason, for a person."""

    state: State
    message: str
