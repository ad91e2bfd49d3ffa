"""Rules about a hub's Chart.yaml and Chart.lock, and about its values against the schemas of its charts."""

from collections.abc import Iterator

from hubops.desired.chart_lock import check_lock
from hubops.desired.rules.model import Rule, only
from hubops.desired.rules.views import HubView
from hubops.errors import RepositoryError


def chart_name(view: HubView) -> Iterator[RepositoryError]:
    """Helm shows the chart's name with the release: one that was copied names another hub."""
    hub, name = view.hub, view.hub.chart.value.get("name")
    if name != hub.name:
        what = f"the chart of {hub.name} is called {name}" if name else f"the chart of {hub.name} has no name"
        where = hub.chart.place("name")
        yield RepositoryError(what, where=where, hint=f"Write name: {hub.name}")


def _lock(view: HubView) -> Iterator[RepositoryError]:
    return check_lock(view.hub)


def _values(view: HubView) -> Iterator[RepositoryError]:
    return iter(view.value_errors)


# These need no more than Chart.yaml and Chart.lock.
OF_CHARTS = (
    Rule("chart-name", "The name in Chart.yaml is not the hub's.", chart_name),
    Rule("missing-lock", "A hub has dependencies and no Chart.lock.", only("missing-lock", _lock)),
    Rule("stale-lock", "Chart.lock was made for another Chart.yaml.", only("stale-lock", _lock)),
)

_ABOUT = {
    "chart-version": "Chart.yaml asks for another version than the chart on disk has.",
    "unreadable-chart": "A chart, or its schema, is damaged or not where Chart.yaml says.",
    "misplaced-key": "A key at the top of values.yaml reaches no chart.",
    "unknown-chart-key": "The chart does not know a key of the values.",
    "missing-value": "The chart requires a value that no file sets.",
    "wrong-value": "The chart does not take a value: its type, range or form.",
    "hand-set-image": "Name or tag of an image that hubops builds is set by hand.",
}
RULES = tuple(Rule(name, about, only(name, _values)) for name, about in _ABOUT.items())
