"""What the operations repository wants: frozen values, read from its files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubops.desired.yaml import Document
from hubops.errors import RepositoryError, UsageError
from hubops.names import did_you_mean

Values = dict[str, Any]
_NO_FILE = Document("", {}, {})


@dataclass(frozen=True)
class Cluster:
    """Where hubs run: the local cluster, a context of the operator's kubeconfig, or a GKE cluster.

    `kubernetes` is the minor version that it runs, such as 1.34, "" where nobody says.
    """

    name: str
    local: bool = False
    context: str = ""
    url: str = ""
    kubernetes: str = ""

    @property
    def identity(self) -> str:
        """The same for two names that lead to one cluster."""
        return self.context or self.name


@dataclass(frozen=True)
class People:
    """Who may do what on a hub: its people.yaml, names as they are written there.

    `teams` are groups as the hub's login knows them. With `decides_admins` the file says who is admin,
    be it nobody, so that whoever else is one ceases to be. Where the file is `encrypted` by sops the names
    are ciphers until run.Machine.opened.
    """

    admins: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    decides_admins: bool = False
    encrypted: bool = False


@dataclass(frozen=True)
class Access:
    """Whom a hub lets in by all of its values; names as the hub compares them.

    `closed`: nobody but those `named`. `admins_closed`: nobody is admin but `admins`. `homes_stay`: the
    hub is sure to leave a person's volume alone when the person is deleted.
    """

    named: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()
    closed: bool = False
    admins_closed: bool = False
    homes_stay: bool = False


@dataclass(frozen=True)
class Hub:
    """One hub. `prefix` is the key its chart's dependency has in the values, "" where there is none.

    `path` is its path at the public address, with a slash at both ends, and `origin` scheme and host of that address, ""
    where it is the cluster's; `layers` are the shared values
    below its own, lowest first. `documents` are the files its values come from, lowest first: those of
    `layers`, its own, and on the local cluster values/local.yaml. `chart` is its Chart.yaml, `lock` its
    Chart.lock, `settings` its hub.yaml, `people_file` its people.yaml. `timeout_s` is how long helm waits for
    the release; `people_may_leave` how many people a deploy may take off the hub at once, where that is said.
    `disabled` is why a hub is not to run, "" for one that is to.
    """

    name: str
    directory: Path
    stage: str
    cluster: Cluster
    image: str
    release: str
    namespace: str
    path: str
    prefix: str
    values: Values
    layers: tuple[Values, ...] = ()
    people: People = field(default_factory=People)
    proved_by: str = ""
    timeout_s: int = 600
    people_may_leave: int = 0
    disabled: str = ""
    origin: str = ""
    documents: tuple[Document, ...] = ()
    chart: Document = _NO_FILE
    lock: Document = _NO_FILE
    settings: Document = _NO_FILE
    people_file: Document = _NO_FILE


@dataclass(frozen=True)
class Keeping:
    """For how long images are kept: those of proved releases since those ran, and any since nobody needs it."""

    rollback_days: int = 90
    grace_hours: int = 24


@dataclass(frozen=True)
class Image:
    """A directory with a Dockerfile, and what its image.yaml says.

    What the Dockerfile names besides its own stages is among `own`, images of the fleet; `shared`, directories
    by the names they have there; `tools`, programs that hubops makes; `bases`, images from elsewhere, each with
    its digest in bases.lock, "" where there is none; one of them is the `frontend`, if the Dockerfile names one (# syntax=),
    which reads it. `secrets` are the names of those that its build may read. Without `platforms` it is built for that of the builder.
    """

    name: str
    directory: Path
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platforms: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    shared: Mapping[str, Path] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    bases: Mapping[str, str] = field(default_factory=dict)
    frontend: str = ""
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fleet:
    """A whole operations repository. `image_name` has {name} where an image's name goes; `settings` is hubops.yaml.

    `clusters` are all of hubops.yaml, also those without a hub.
    """

    root: Path
    registry: str
    image_name: str
    hubs: Mapping[str, Hub]
    images: Mapping[str, Image]
    settings: Document = _NO_FILE
    clusters: tuple[Cluster, ...] = ()
    keeping: Keeping = field(default_factory=Keeping)

    def require_hub(self, name: str) -> Hub:
        """The hub of that name.

        Raises:
            UsageError: there is none; names the nearest.
        """
        if name not in self.hubs:
            raise UsageError(
                f"there is no hub {name}", where="hub-charts/", hint=did_you_mean(name, self.hubs)
            )
        return self.hubs[name]

    def in_order(self) -> list[Hub]:
        """All hubs, each after the one that proves it."""
        return sorted(self.hubs.values(), key=lambda hub: (hub.proved_by != "", hub.name))


@dataclass(frozen=True)
class ImageReference:
    """An image in a registry. `tag` follows its content; with `digest` it is one image for ever."""

    repository: str
    tag: str
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "ImageReference":
        """The other way round than `str`: REPOSITORY[:TAG][@DIGEST], where a port is no tag."""
        named, _, digest = text.partition("@")
        repository, colon, tag = named.rpartition(":")
        return cls(named, "", digest) if not colon or "/" in tag else cls(repository, tag, digest)

    @property
    def pinned_tag(self) -> str:
        return f"{self.tag}@{self.digest}" if self.digest else self.tag

    def __str__(self) -> str:
        return f"{self.repository}:{self.pinned_tag}"


@dataclass(frozen=True)
class InGit:
    """What only git can tell of a repository.

    `plain` are the files below secrets/ that were committed or staged unencrypted; `values` the names and
    texts of files of values that were committed or staged otherwise than they lie here.
    """

    plain: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Problem:
    """What is wrong in the repository, as errors.HubopsError says it.

    `hubs` are those that it is about; none means all. `rule` names the rule that found it.
    """

    what: str
    where: str = ""
    why: str = ""
    hint: str = ""
    hubs: tuple[str, ...] = ()
    rule: str = ""

    def error(self) -> RepositoryError:
        return RepositoryError(self.what, where=self.where, why=self.why, hint=self.hint, rule=self.rule)


@dataclass(frozen=True)
class Findings:
    """What a check found; `notes` say what it could not look at, and what it was told to leave out."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
