"""What a hub says of everybody in its database, when it is asked without being started (execute/questions)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Mount:
    """A volume that a person's server would have: a claim's name, or what else tells it from others.

    `below` is the directory in it, "" for all of it; `path` is where the server has it.
    """

    volume: str
    below: str
    path: str

    @property
    def place(self) -> str:
        """Where its files are."""
        return f"{self.volume}/{self.below}" if self.below else self.volume


@dataclass(frozen=True)
class Server:
    """One server of a person; `error` is why nobody knows what it would mount."""

    mounts: tuple[Mount, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Person:
    """`allowed` is None where only the provider of the login knows; `servers` by name, the default one under ""."""

    allowed: bool | None
    admin: bool
    servers: Mapping[str, Server]


@dataclass(frozen=True)
class Answers:
    """One hub's answers. `revisions` of the database are before and after it was brought up to date.

    `traits` are those of KubeSpawner that decide about names, "" where this one has none; `hook`: scripts run
    before a start, which nobody ran here.
    """

    jupyterhub: str
    spawner: str
    authenticator: str
    revisions: tuple[str, str]
    upgraded_s: float
    traits: Mapping[str, str] = field(default_factory=dict)
    hook: bool = False
    people: Mapping[str, Person] = field(default_factory=dict)


def parse_answers(document: Mapping[str, Any]) -> Answers:
    """What execute/questions/ask.py writes."""
    people = {name: _person(about) for name, about in document["people"].items()}
    before, after = document["revisions"]
    return Answers(**{**document, "revisions": (before, after), "people": people})


def _person(about: Mapping[str, Any]) -> Person:
    servers = {
        name: Server(tuple(Mount(*each) for each in found.get("volumes", ())), found.get("error", ""))
        for name, found in about["servers"].items()
    }
    return Person(about["allowed"], about["admin"], servers)
