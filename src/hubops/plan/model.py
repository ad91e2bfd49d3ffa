"""What a plan decides for a hub."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from hubops.state.model import Record


class Course(Enum):
    """What is to be done with what the repository wants."""

    DEPLOY = "deploy"
    HELD = "held"
    NOT_PROVED = "waits for proof"
    DISABLED = "disabled"


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in two places; the values are shown, None where it is not set."""

    path: str
    here: str | None
    there: str | None


@dataclass(frozen=True)
class DeployedImage:
    """An image as a hub has it: its tag ("" when nothing of it was deployed), by which deploy and commit.

    `differences` are in inputs. `unknown` says why nobody can tell them, "" when they are known.
    """

    hub: str
    tag: str = ""
    deploy: int = 0
    commit: str = ""
    differences: tuple[Difference, ...] = ()
    unknown: str = ""


@dataclass(frozen=True)
class Decision:
    """What to do with a hub's content, and why, in words for a person.

    `proof` is the record by which another hub proved it; `unproved` are the settings that are this hub's
    own, which nobody proved.
    """

    course: Course
    reason: str = ""
    hint: str = ""
    proof: Record | None = None
    unproved: Sequence[Difference] = field(default_factory=tuple)


@dataclass(frozen=True)
class HubPlan:
    """What a deploy of a hub would do.

    `action` is one of the words below; `deployed` the deploy number of what runs (0 when nothing, or when
    nobody asked); `build` the images that are not in the registry; `changes` the settings that would
    change; `people` how many would come and go, `may_leave` how many may by hub.yaml; `too_many` when
    more would go than may.
    """

    hub: str
    action: str
    reason: str = ""
    deployed: int = 0
    build: Sequence[str] = field(default_factory=tuple)
    changes: Sequence[Difference] = field(default_factory=tuple)
    people: tuple[int, int] = (0, 0)
    may_leave: int = 0
    too_many: bool = False
    chart: str = ""


NOTHING, DEPLOY, CREATE, PEOPLE = "nothing", "deploy", "create", "people only"
HELD, WAITS, LEFT, DISABLE = "held", "waits for proof", "left alone", "disable"
CHANGES = {DEPLOY, CREATE, PEOPLE, DISABLE}
