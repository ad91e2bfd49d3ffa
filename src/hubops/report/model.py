"""What a run did, thing by thing: the rows of every report."""

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """How it ended; the value is what people read."""

    DONE = "done"
    PROVED = "deployed and proved"
    UNCHANGED = "nothing changed"
    PLANNED = "would change"
    PEOPLE = "people updated"
    DISABLED = "disabled"
    HELD = "held"
    NOT_PROVED = "waits for proof"
    REFUSED = "refused"
    SKIPPED = "not done"
    UNKNOWN = "unknown"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class Told:
    """An error as people read it (see errors.HubopsError); masked before it gets here."""

    what: str
    where: str = ""
    why: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one thing: kind is "check", "image", "docs" or "hub"; `note` is one line of detail.

    `details` are more lines for who wants to know; `deploy` is the deploy number, `commit` the full hash of what was wanted ("" when unknown).
    """

    kind: str
    name: str
    result: Result
    note: str = ""
    took_s: float = 0
    error: Told | None = None
    deploy: int | None = None
    commit: str = ""
    details: tuple[str, ...] = ()


SHOWN_COMMIT = 10  # characters of a commit that people read
