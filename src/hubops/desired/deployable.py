"""What a deploy is refused by: all that `hubops check` tells of its hub, but for what only git can tell."""

from collections.abc import Iterable

from hubops.desired.charts import Charts
from hubops.desired.files import Files
from hubops.desired.hub_check import broken, check_hub
from hubops.desired.model import Fleet, Hub, Problem
from hubops.desired.problems import UNASKED, located
from hubops.desired.rules.address import ONE_NAMESPACE
from hubops.desired.rules.model import Rule
from hubops.desired.rules.registry import REGISTRY
from hubops.desired.rules.switches import apply_switches, read_switches
from hubops.desired.rules.views import FleetView


def require_valid(fleet: Fleet, hub: Hub) -> None:
    """Refuse a hub that `hubops check` has something against, before anything is touched; git is not asked.

    Raises:
        RepositoryError: the first thing that is wrong; says how many more there are.
    """
    # Another hub's files may be wrong about this one: two in one namespace would be one release.
    about_all = _of_fleet(fleet, REGISTRY.of_fleet)
    _refuse(fleet, hub, [*check_hub(fleet, hub, Charts(fleet.root)).problems, *about_all])


def require_own_namespace(fleet: Fleet, hub: Hub) -> None:
    """Refuse a hub in whose namespace another one is, where something is done to all that runs there.

    Raises:
        RepositoryError: it shares it, and no switch says that it may.
    """
    _refuse(fleet, hub, _of_fleet(fleet, [REGISTRY.by_name[ONE_NAMESPACE]]))


def _of_fleet(fleet: Fleet, rules: Iterable[Rule[FleetView]]) -> list[Problem]:
    view = FleetView(fleet, Files(fleet.root), UNASKED, REGISTRY.by_name)
    return [located(each, view) for each in broken(rules, view)]


def _refuse(fleet: Fleet, hub: Hub, found: Iterable[Problem]) -> None:
    left = apply_switches(found, read_switches(fleet, REGISTRY.by_name)).problems
    problems = [each for each in left if hub.name in each.hubs]
    if not problems:
        return
    error = problems[0].error()
    if more := len(problems) - 1:
        error.hint = (
            f"{error.hint} There {'is' if more == 1 else 'are'} {more} more: hubops check {hub.name}".lstrip()
        )
    raise error
