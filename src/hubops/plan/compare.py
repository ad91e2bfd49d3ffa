"""What would change on a hub, from what it has to what is wanted."""

from collections.abc import Sequence
from dataclasses import replace

from hubops.desired.model import Hub, People
from hubops.plan.differences import differences
from hubops.plan.model import CREATE, DEPLOY, DISABLE, HELD, NOTHING, PEOPLE, WAITS, Course, Decision, HubPlan
from hubops.plan.people import most_leaving
from hubops.state.model import Content


def compare(
    hub: Hub, wanted: Content, has: Content | None, had_people: People | None, build: Sequence[str] = ()
) -> HubPlan:
    """A plan from two contents. None for `has`: there is nothing yet; for `had_people`: nobody knows."""
    if has is None:
        return HubPlan(hub.name, CREATE, "it is new", build=tuple(build), chart=wanted.chart_name)
    found = _with_people(HubPlan(hub.name, NOTHING, build=tuple(build)), hub, had_people)
    if has.key == wanted.key and not build:
        return replace(found, action=PEOPLE) if any(found.people) else found
    chart = "" if has.chart == wanted.chart else _renamed(has.chart_name, wanted.chart_name)
    return replace(found, action=DEPLOY, changes=tuple(differences(wanted.values, has.values)), chart=chart)


def disabled(hub: Hub, *, already: bool) -> HubPlan:
    """The plan for a hub that is not to run."""
    if already:
        return HubPlan(hub.name, NOTHING, f"it is disabled: {hub.disabled}")
    return HubPlan(
        hub.name, DISABLE, f"{hub.disabled.rstrip('.')}; its data stays, its people's servers are ended"
    )


def anew(found: HubPlan, reason: str) -> HubPlan:
    """The plan for a hub of which something else stands than was deployed last: at least that is brought again."""
    return replace(found, action=DEPLOY, reason=reason) if found.action in {NOTHING, PEOPLE} else found


def _with_people(found: HubPlan, hub: Hub, had: People | None) -> HubPlan:
    found = replace(found, may_leave=hub.people_may_leave)
    if had is None:
        return found
    # Of ciphers nobody can tell which name is the same one; and who is blocked goes in any number.
    gone = set() if hub.people.encrypted else _welcome(had) - _welcome(hub.people) - {*hub.people.blocked}
    too_many = len(gone) > most_leaving(len(_welcome(had)), hub.people_may_leave)
    return replace(found, people=_moved(had, hub.people), too_many=too_many)


def _renamed(old: str, new: str) -> str:
    return f"{new}: what is in it" if old == new else f"{old} → {new}"


def stopped(hub: str, decision: Decision, deployed: int) -> HubPlan:
    """The plan for content that may not be deployed."""
    action = HELD if decision.course is Course.HELD else WAITS
    return HubPlan(hub, action, decision.reason, deployed)


def _moved(before: People, after: People) -> tuple[int, int]:
    """How many people and teams come or change, and how many go. Names are nobody's business in a plan that many read."""
    old, new = _welcome(before), _welcome(after)
    role = len(({*before.admins} ^ {*after.admins}) & old & new)
    decided = before.decides_admins != after.decides_admins and not role
    blocked, freed = {*after.blocked} - {*before.blocked}, {*before.blocked} - {*after.blocked}
    return len((new - old) | freed) + role + decided, len((old - new) | blocked)


def _welcome(people: People) -> set[str]:
    return {*people.admins, *people.allowed, *people.teams} - {*people.blocked}
