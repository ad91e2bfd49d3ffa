"""Rules switched off, with a reason: `check: {ignore: {RULE: REASON}}` in a hub's hub.yaml, or in hubops.yaml for all."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hubops.desired.model import Fleet, Problem
from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import FleetView
from hubops.desired.yaml import Document
from hubops.errors import RepositoryError
from hubops.names import did_you_mean

_CHECK, _IGNORE = "check", "ignore"


@dataclass(frozen=True)
class Switch:
    """A rule that one hub ("" is all of them) leaves out, for a reason that stands at a place."""

    rule: str
    reason: str
    hub: str
    place: str


@dataclass(frozen=True)
class Switched:
    """What is left of the problems, and the number of those that each switch took."""

    problems: tuple[Problem, ...]
    taken: Mapping[Switch, int]


def read_switches(fleet: Fleet, rules: Mapping[str, Rule[Any]]) -> list[Switch]:
    """The switches that are in order; wrong_switch tells of the others."""
    return [
        Switch(name, reason, hub, document.place(_CHECK, _IGNORE, name))
        for hub, document in _documents(fleet)
        for name, reason in _ignored(document).items()
        if name in rules and rules[name].may_be_ignored and isinstance(reason, str) and reason.strip()
    ]


def apply_switches(problems: Iterable[Problem], switches: Iterable[Switch]) -> Switched:
    """A problem of several hubs stays one of those that do not leave it out."""
    switches = [*switches]
    taken, left = dict.fromkeys(switches, 0), []
    for problem in problems:
        hubs = list(problem.hubs)
        fitting = [each for each in switches if each.rule == problem.rule and each.hub in {"", *hubs}]
        for each in fitting:
            taken[each] += 1
            hubs = [hub for hub in hubs if hub != each.hub] if each.hub else []
        if hubs or not fitting:
            left.append(replace(problem, hubs=tuple(hubs)))
    return Switched(tuple(left), taken)


def wrong_switch(view: FleetView) -> Iterator[RepositoryError]:
    for _, document in _documents(view.fleet):
        check = document.value.get(_CHECK, {})
        for key in check:
            if key != _IGNORE:
                where = document.place(_CHECK, key)
                yield RepositoryError(f"unknown key {key}", where=where, hint=did_you_mean(key, [_IGNORE]))
        if not isinstance(check.get(_IGNORE, {}), dict):
            where = document.place(_CHECK, _IGNORE)
            yield RepositoryError("ignore must hold rules and reasons", where=where)
        for name, reason in _ignored(document).items():
            if error := _judge(name, reason, view.rules):
                error.where = document.place(_CHECK, _IGNORE, name)
                yield error


def _judge(name: str, reason: object, rules: Mapping[str, Rule[Any]]) -> RepositoryError | None:
    if name not in rules:
        return RepositoryError(f"there is no rule {name}", hint=did_you_mean(name, rules))
    if not rules[name].may_be_ignored:
        why = "it is about what could not be deployed either"
        return RepositoryError(f"{name} cannot be ignored", why=why, hint="Mend what it finds.")
    if not isinstance(reason, str) or not reason.strip():
        why = "whoever reads this next year wants to know whether it still holds"
        return RepositoryError(
            f"the reason to ignore {name} is missing", why=why, hint="Write one, as a text."
        )
    return None


def idle_switch(idle: Iterable[Switch]) -> Iterator[RepositoryError]:
    """Told of switches whose rule finds nothing where they stand."""
    for each in idle:
        what = f"{each.rule} is ignored, and would find nothing"
        yield RepositoryError(
            what, where=each.place, why="it hides the next such problem", hint="Take it out."
        )


def _documents(fleet: Fleet) -> list[tuple[str, Document]]:
    return [("", fleet.settings), *((hub.name, hub.settings) for hub in fleet.hubs.values())]


def _ignored(document: Document) -> dict[str, Any]:
    found = document.value.get(_CHECK, {}).get(_IGNORE, {})
    return found if isinstance(found, dict) else {}


OF_FLEET = (
    Rule(
        "wrong-switch",
        "A rule is switched off that there is not, that nobody may ignore, or without a reason.",
        wrong_switch,
        may_be_ignored=False,
    ),
)
OF_SWITCHES = (
    Rule("idle-switch", "A rule is switched off that finds nothing.", idle_switch, may_be_ignored=False),
)
