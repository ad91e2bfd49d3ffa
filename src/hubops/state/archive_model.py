"""What an archive of a hub is: its claims as they are, as they were archived, and the receipt of that."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

VERSION = 1
MANIFEST = "manifest.json"
# By which receipts are found in namespace hubops.
RECEIPTS = "/api/v1/namespaces/hubops/configmaps"
RECEIPT_LABEL = "hubops.dev/archive-of"
# Kubernetes' quantities, as far as they are sizes of volumes.
_UNITS = {
    "": 1,
    **{unit: 1000 ** (power + 1) for power, unit in enumerate("kMGTPE")},
    **{f"{unit}i": 1024 ** (power + 1) for power, unit in enumerate("KMGTPE")},
}
_QUANTITY = re.compile(rf"(\d+\.?\d*(?:[eE]\d+)?)({'|'.join(_UNITS)})")


class Kind(Enum):
    """What a claim holds."""

    DATABASE = "database"
    HOME = "home"


@dataclass(frozen=True)
class Owner:
    """Whose the files of a volume are, as pods run: user, group, and the group that volumes are given to."""

    uid: int
    gid: int
    fs_gid: int


@dataclass(frozen=True)
class Claim:
    """A claim of a hub as it is. `person` has it for a home; `node` is where it is mounted, "" where it is not.

    `bound` is False for one that no pod ever mounted: it has no volume yet.
    """

    name: str
    uid: str
    kind: Kind
    person: str
    storage_class: str
    size: str
    access_modes: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner: Owner
    node: str = ""
    bound: bool = True

    @property
    def in_use(self) -> bool:
        """Whether somebody may write while it is read; the database is copied as of one moment all the same."""
        return self.kind is Kind.HOME and bool(self.node)

    @property
    def bytes(self) -> int:
        """How much it asks for; 0 when that is not understood."""
        found = _QUANTITY.fullmatch(self.size)
        return int(float(found[1]) * _UNITS[found[2]]) if found else 0


@dataclass(frozen=True)
class HubPod:
    """What a pod of ours needs to run beside the hub: an image with Python that nodes can pull."""

    image: str
    pull_secrets: tuple[str, ...]


@dataclass(frozen=True)
class Volumes:
    """A deployed hub's claims, and how a pod gets at them; `replicas` of the hub are wanted now."""

    claims: tuple[Claim, ...]
    pod: HubPod
    replicas: int
    database_owner: Owner
    home_owner: Owner


@dataclass(frozen=True)
class Archived:
    """A claim in the archive: its tar.gz `file`, of `packed_bytes`, and what is in it.

    `content` is a digest of the files in it, by which a restored volume is compared. `changed` files were
    written to while they were read; `skipped` are sockets and the like.
    """

    claim: Claim
    at: str
    file: str
    sha256: str
    packed_bytes: int
    content: str
    files: int
    bytes: int
    changed: int = 0
    skipped: int = 0

    @property
    def at_rest(self) -> bool:
        """Whether nobody could write to it while it was read, or it is the database."""
        return self.claim.kind is Kind.DATABASE or not (self.claim.in_use or self.changed)


@dataclass(frozen=True)
class Manifest:
    """An archive. `deploy` is the hub's last deploy number, 0 for none; `sample` the claims that were restored.

    `at` is when it was complete, in UTC (RFC 3339).
    """

    hub: str
    cluster: str
    at: str
    by: str
    commit: str
    deploy: int
    chart: str
    archived: tuple[Archived, ...]
    sample: tuple[str, ...] = ()
    version: int = VERSION

    def dump(self) -> str:
        """As JSON, for people too."""
        return json.dumps(asdict(self), indent=2, default=lambda kind: kind.value) + "\n"

    @property
    def homes(self) -> int:
        return sum(each.claim.kind is Kind.HOME for each in self.archived)


@dataclass(frozen=True)
class Receipt:
    """What remains in the cluster of an archive: enough to know what may be removed, and nobody's name.

    `claims` maps the UID of each claim to the digest of its content, "" where somebody wrote meanwhile;
    `place` is machine and directory; `manifest` the SHA-256 of its manifest.
    """

    hub: str
    at: str
    by: str
    deploy: int
    place: str
    manifest: str
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Remains:
    """All there is of a hub in its cluster. `revisions` are helm's; `others` is what else lives in its namespace.

    `present` is False when the namespace is not there.
    """

    claims: tuple[Claim, ...]
    revisions: int = 0
    pods: int = 0
    servers: int = 0
    others: tuple[str, ...] = ()
    present: bool = True


@dataclass(frozen=True)
class Doomed:
    """What a removal would delete, and the archive it is in; None where it was said that there need be none."""

    remains: Remains
    receipt: Receipt | None


@dataclass(frozen=True)
class Removal:
    """That a hub was removed: what went, and of when its archive is, "" for none."""

    hub: str
    at: str
    by: str
    homes: int
    databases: int
    archive: str


def parse_manifest(text: str) -> Manifest:
    """The archive that `dump` wrote.

    Raises:
        ValueError, KeyError, TypeError: it is none, or of a version that is not understood.
    """
    document = json.loads(text)
    if document["version"] != VERSION:
        raise ValueError(f"it has version {document['version']}, and this is for {VERSION}")
    archived = tuple(_archived(each) for each in document["archived"])
    return Manifest(**{**document, "archived": archived, "sample": tuple(document["sample"])})


def _archived(fields: dict[str, Any]) -> Archived:
    claim = dict(fields["claim"])
    claim["kind"], claim["owner"] = Kind(claim["kind"]), Owner(**claim["owner"])
    claim["access_modes"] = tuple(claim["access_modes"])
    return Archived(**{**fields, "claim": Claim(**claim)})


def archive_name(hub: str, at: str) -> str:
    """What a place calls the archive that was made at that time."""
    return f"{hub}-{at.partition('+')[0].replace(':', '').replace('-', '')}"


def choose_sample(archived: Sequence[Archived]) -> list[Archived]:
    """What is restored to see that it can be: the database, and a home of middling size."""
    homes = sorted((a for a in archived if a.claim.kind is Kind.HOME), key=lambda a: (a.bytes, a.claim.name))
    databases = [a for a in archived if a.claim.kind is Kind.DATABASE]
    return databases + homes[len(homes) // 2 : len(homes) // 2 + 1]
