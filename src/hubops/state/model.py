"""What was recorded of deploys: one record per attempt, in the cluster's namespace `hubops`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from hubops.desired.model import Values

NAMESPACE = "hubops"
# Where records are and by what they are found.
RECORDS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
HUB_LABEL = "hubops.dev/hub"
NUMBER_LABEL = "hubops.dev/deploy"


class Ending(Enum):
    """How an attempt ended; UNFINISHED while it goes on, and for ever when it was killed."""

    UNFINISHED = "unfinished"
    PROVED = "proved"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Commit:
    """Where the wanted content comes from: "" for no git repository. `at` is the commit's time, RFC 3339."""

    hash: str = ""
    at: str = ""
    dirty: bool = False


@dataclass(frozen=True)
class Content:
    """What decides how a release behaves, but for its people and secrets.

    `key` is a digest of all of it, the identity of what is proved and held; `images` are those hubops
    builds, by name, pinned; `chart` is a digest of JupyterHub's chart as the hub gets it, and
    `chart_name` its name and version; `shared` a digest of the layers that all hubs share; `values` all
    plain values; `prefix` where JupyterHub's chart has its own among them.
    """

    key: str
    images: Mapping[str, str]
    chart: str
    chart_name: str
    shared: str
    values: Values
    prefix: str = ""


@dataclass(frozen=True)
class Record:
    """One attempt to deploy a hub. `number` is the deploy number, `at` its beginning in UTC (RFC 3339).

    `ended_at` is its end, "" until then.
    `secrets` is a digest of the secret values it was done with. `why` says what was seen when it did
    not end well, masked. `override` is the reason for which it went on without a proof, `rollback_of`
    the attempt whose failure it answers (0 for none). `touched` is False when it failed before helm wrote
    anything. `kept` tells whether its chart is kept, so that it can be brought back.
    """

    number: int
    hub: str
    ending: Ending
    at: str
    by: str
    commit: Commit
    content: Content
    secrets: str
    why: str = ""
    override: str = ""
    rollback_of: int = 0
    touched: bool = True
    kept: bool = False
    ended_at: str = ""

    @property
    def name(self) -> str:
        """What its Secret is called."""
        return f"deploy-{self.hub}-{self.number}"


@dataclass(frozen=True)
class History:
    """All records of a hub that are kept, oldest first."""

    hub: str
    records: Sequence[Record] = field(default_factory=tuple)

    @property
    def latest(self) -> Record | None:
        return self.records[-1] if self.records else None

    @property
    def standing(self) -> Record | None:
        """The attempt that made what the cluster has."""
        return next((r for r in reversed(self.records) if r.touched), None)

    @property
    def settled(self) -> bool:
        """Whether what the cluster has was proved, or it has nothing: then there is nothing to take back."""
        return self.standing is None or self.standing.ending is Ending.PROVED

    @property
    def restorable(self) -> Record | None:
        """A record of the last proved content whose chart is kept."""
        proved = self.last_proved
        found = (
            r for r in reversed(self.records) if proved and r.kept and r.content.key == proved.content.key
        )
        return next(found, None)

    @property
    def last_proved(self) -> Record | None:
        return next((r for r in reversed(self.records) if r.ending is Ending.PROVED), None)

    @property
    def open_failure(self) -> Record | None:
        """The failed attempt that nothing followed but the way back."""
        wanted = next((r for r in reversed(self.records) if not r.rollback_of), None)
        return wanted if wanted and wanted.ending is Ending.FAILED else None

    def find(self, key: str) -> Record | None:
        """The newest attempt at this content."""
        return next((r for r in reversed(self.records) if r.content.key == key), None)

    def replaced_at(self, record: Record) -> datetime:
        """When another took a record's place; its own beginning where none did."""
        later = (each for each in self.records if each.touched and each.number > record.number)
        return datetime.fromisoformat(next(later, record).at)

    def held(self, key: str) -> Record | None:
        """The failed attempt for which this content is not tried again by itself.

        What was the last proved content when it failed is not held: its failure is the surroundings'.
        """
        newest = self.find(key)
        if newest is None or newest.ending is not Ending.FAILED:
            return None
        proved = History(self.hub, [r for r in self.records if r.number < newest.number]).last_proved
        return None if proved and proved.content.key == key else newest


@dataclass(frozen=True)
class Live:
    """What runs in a hub's namespace now: its own pods, those that are ready, and people's servers."""

    pods: int
    ready: int
    servers: int


@dataclass(frozen=True)
class Status:
    """A hub as it is. `fault` says why nobody can tell, "" when all was asked.

    `held` is the failed attempt for which what the files want now is not tried by itself; `disabled` is why
    the files want nothing of the hub to run.
    """

    hub: str
    cluster: str
    history: History
    live: Live | None = None
    fault: str = ""
    held: Record | None = None
    disabled: str = ""
