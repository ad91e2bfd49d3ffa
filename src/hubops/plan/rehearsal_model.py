"""What a rehearsal found of a new chart."""

from collections.abc import Mapping
from dataclasses import dataclass

from hubops.state.rehearsal_model import Answers


@dataclass(frozen=True)
class Moved:
    """A volume that a person's server has today, and what it would have instead, "" for nothing."""

    person: str
    server: str
    before: str
    after: str


@dataclass(frozen=True)
class Finding:
    """What would be worse than today, and what keeps it as it is."""

    what: str
    hint: str


@dataclass(frozen=True)
class Comparison:
    """The new hub's answers beside those of the hub that runs.

    `homes` are servers of people with a volume that exists; `moved` those volumes that they would not have any
    more; `unclear` says of how many servers more nobody knows, by the reason. `locked_out` could log in and could not;
    of `undecided` people only the provider knows; `demoted` would not be admins.
    """

    before: Answers
    after: Answers
    homes: int
    moved: tuple[Moved, ...]
    unclear: Mapping[str, int]
    locked_out: tuple[str, ...]
    undecided: int
    demoted: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Measured:
    """What was seen of the twin.

    `answers_s` is from the making of the hub's pod to its first answer. `logged_in`: a person logged in by the
    form; `server_s` is how long a probe person waited for a server that ran the proof, 0 where none was asked for.
    `fault` is what did not work of that.
    """

    answers_s: float
    logged_in: bool = False
    server_s: float = 0
    fault: Finding | None = None


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal came to; `chart` is what it was of."""

    hub: str
    chart: str
    comparison: Comparison
    measured: Measured

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that would be worse than today."""
        fault = self.measured.fault
        return (*self.comparison.findings, *([fault] if fault else []))
