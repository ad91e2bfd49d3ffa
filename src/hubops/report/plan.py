"""A plan as people read it."""

from collections.abc import Sequence

from hubops.plan.model import CHANGES, HELD, WAITS, Difference, HubPlan
from hubops.report.model import Outcome, Result

_MOST_CHANGES = 12  # more are counted


def format_plan(plans: Sequence[HubPlan]) -> str:
    """Hub by hub: what would be done and why; then a sentence that sums up."""
    lines = [line for plan in plans for line in [f"{plan.hub}: {_headline(plan)}", *_details(plan)]]
    count = sum(plan.action in CHANGES for plan in plans)
    return "\n".join([*lines, f"{count} of {len(plans)} hubs would change."])


def outcome(plan: HubPlan) -> Outcome:
    """A row of a report, for a pull request."""
    stopped = {HELD: Result.HELD, WAITS: Result.NOT_PROVED}
    planned = Result.PLANNED if plan.action in CHANGES else Result.UNCHANGED
    result = stopped.get(plan.action, planned)
    details = "; ".join(line.strip() for line in _details(plan))
    note = f"{_headline(plan)}{': ' if details else ''}{details}"
    return Outcome("hub", plan.hub, result, note)


def _headline(plan: HubPlan) -> str:
    return plan.action + (f" ({plan.reason})" if plan.reason else "")


def _details(plan: HubPlan) -> list[str]:
    lines = [f"  build image {name}" for name in plan.build]
    lines += [f"  chart {plan.chart}"] if plan.chart else []
    lines += [f"  {_change(change)}" for change in plan.changes[:_MOST_CHANGES]]
    more = len(plan.changes) - _MOST_CHANGES
    lines += [f"  and {more} more settings"] if more > 0 else []
    return lines + _people(plan)


def _people(plan: HubPlan) -> list[str]:
    come, go = plan.people
    lines = [f"  people: {come} come or change, {go} go"] if come or go else []
    lines += [f"  people: up to {plan.may_leave} may be taken off the hub"] if plan.may_leave else []
    lines += [f"  people: so many go only with people-may-leave: {go} in hub.yaml"] if plan.too_many else []
    return lines


def _change(change: Difference) -> str:
    """`there` is what is, `here` what is wanted: plans are made from the wanted side."""
    old = "unset" if change.there is None else change.there
    new = "unset" if change.here is None else change.here
    return f"{change.path}: {old} → {new}"
