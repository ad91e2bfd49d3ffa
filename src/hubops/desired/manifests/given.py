"""What helm is given to render a hub without its secrets and without a cluster, and whether it can be."""

from dataclasses import replace
from typing import Any

from hubops.desired.dependency_check import not_here
from hubops.desired.model import Hub, Values
from hubops.desired.people import PEOPLE_LISTS, with_people
from hubops.desired.rules.views import HubView
from hubops.desired.values import merge, prefixed
from hubops.desired.values_check import GENERATED
from hubops.errors import RepositoryError


def can_be_rendered(view: HubView) -> bool:
    """Whether helm has what it takes: values that the charts' schemas let through, and every chart."""
    hub = view.hub
    if isinstance(view.given, RepositoryError) or view.value_errors:
        view.note(f"not rendered: {hub.name}, until its values are right")
        return False
    missing = [each for each in hub.chart.value["dependencies"] if not _is_here(view, each)]
    for dependency in missing:
        view.note(not_here(hub, dependency))
    return not missing


def values_for_helm(view: HubView) -> Values:
    """The values that a deploy gives helm, with stand-ins for images, secrets and people: helm's words may be public.

    Raises:
        RepositoryError: as `HubView.given` says.
    """
    given = view.given
    if isinstance(given, RepositoryError):
        raise given
    closed = prefixed(view.hub, GENERATED) if given.is_closed() else {}
    return with_people(_with_stand_ins(view.hub), merge(closed, given.values))


def _is_here(view: HubView, dependency: Values) -> bool:
    """Helm wants those that are not enabled as well; what is damaged of them nobody has told yet."""
    try:
        return view.charts.find(view.hub, dependency) is not None
    except RepositoryError:
        return False


def _with_stand_ins(hub: Hub) -> Hub:
    lists: dict[str, Any] = {
        key: tuple(f"{key}-{number}" for number, _ in enumerate(getattr(hub.people, key)))
        for key in PEOPLE_LISTS
    }
    return replace(hub, people=replace(hub.people, encrypted=False, **lists))
