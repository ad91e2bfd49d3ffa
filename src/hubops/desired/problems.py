"""`hubops check`: everything that is wrong in a repository, found offline and without secrets."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hubops.desired.charts import Charts
from hubops.desired.hub_check import broken, look_at, problem_of
from hubops.desired.manifests.given import can_be_rendered
from hubops.desired.manifests.model import Rendering
from hubops.desired.model import Findings, InGit, Problem
from hubops.desired.repository import read_fleet
from hubops.desired.rules.registry import REGISTRY, Registry
from hubops.desired.rules.switches import Switch, Switched, apply_switches, read_switches
from hubops.desired.rules.views import FleetView, HubView
from hubops.errors import RepositoryError

Render = Callable[[Sequence[HubView]], Mapping[str, Sequence[Rendering]]]
"""Gives what helm makes of hubs, by name."""
UNASKED = InGit()


def find_problems(
    root: Path,
    names: Collection[str] = (),
    in_git: InGit = UNASKED,
    registry: Registry = REGISTRY,
    render: Render | None = None,
) -> Findings:
    """Everything that is wrong with the hubs of those names; as `Look`.

    `render` gives what helm makes of hubs; without it manifests are not looked at.

    Raises:
        RepositoryError, UsageError: as `Look`.
    """
    look = Look(root, names, in_git, registry)
    return look.findings(render(look.ready()) if render else {})


class Look:
    """A repository that was looked at, before helm rendered anything.

    Raises:
        RepositoryError: this is no operations repository.
        UsageError: there is no such hub.
    """

    def __init__(
        self,
        root: Path,
        names: Collection[str] = (),
        in_git: InGit = UNASKED,
        registry: Registry = REGISTRY,
    ) -> None:
        """Look at the hubs of those names; none means all."""
        self._names, self._registry = frozenset(names), registry
        self._reading = read_fleet(root)
        self.fleet, files = self._reading.fleet, self._reading.files
        charts = Charts(root)
        hubs = [self.fleet.require_hub(name) for name in names] or list(self.fleet.hubs.values())
        self._view = FleetView(self.fleet, files, in_git, registry.by_name)
        self._looked = [look_at(self.fleet, hub, charts, files.wrong, registry) for hub in hubs]

    def ready(self) -> list[HubView]:
        """The hubs that helm can render; a note tells why another one is not."""
        return [each.view for each in self._looked if each.is_readable and can_be_rendered(each.view)]

    def findings(self, renderings: Mapping[str, Sequence[Rendering]]) -> Findings:
        """Everything that is wrong, each thing once; manifests of those hubs that helm has rendered."""
        switched = self._switched(renderings)
        idle = self._idle(switched, {*self.fleet.hubs} - {*renderings})
        late = [located(each, self._view) for each in broken(self._registry.of_switches, idle)]
        problems = tuple(each for each in (*switched.problems, *late) if self._is_wanted(each))
        return Findings(problems, (*dict.fromkeys(self._notes()), *_told(switched)))

    def _switched(self, renderings: Mapping[str, Sequence[Rendering]]) -> Switched:
        errors = [
            *broken(self._registry.of_reading, self._reading),
            *broken(self._registry.of_fleet, self._view),
        ]
        problems = [located(each, self._view) for each in errors]
        for one in self._looked:
            problems += one.findings.problems
            if rendered := renderings.get(one.view.hub.name):
                problems += one.judge(rendered, self._registry)
        return apply_switches(_once(problems), read_switches(self.fleet, self._registry.by_name))

    def _idle(self, switched: Switched, unrendered: Collection[str]) -> list[Switch]:
        """The switches that took nothing, where all was looked at that they may be for."""
        if self._names or self._reading.files.wrong:
            return []
        unsure = {one.view.hub.name for one in self._looked if one.notes}
        of_manifests = {rule.name for rule in self._registry.of_manifests}
        return [
            switch
            for switch, number in switched.taken.items()
            if not number
            and not _concerns(switch, unsure)
            and not (switch.rule in of_manifests and _concerns(switch, unrendered))
        ]

    def _notes(self) -> Iterator[str]:
        return (note for one in self._looked for note in one.notes)

    def _is_wanted(self, problem: Problem) -> bool:
        return not self._names or not problem.hubs or bool({*problem.hubs} & self._names)


def _concerns(switch: Switch, hubs: Collection[str]) -> bool:
    """Whether a switch may be for one of these hubs."""
    return switch.hub in hubs if switch.hub else bool(hubs)


def _told(switched: Switched) -> list[str]:
    taken = ((switch, number) for switch, number in switched.taken.items() if number)
    return [f"ignored: {number} of {each.rule} ({each.place}: {each.reason})" for each, number in taken]


def located(error: RepositoryError, view: FleetView) -> Problem:
    """A problem of the hubs that it names, or whose files or image it is about."""
    if error.hubs:
        return problem_of(error, error.hubs)
    directory, _, rest = error.where.split(":")[0].partition("/")
    name = rest.split("/")[0]
    if directory.endswith("images"):
        hubs = [hub for hub, images in view.used_images.items() if name in images]
    else:
        own = {"hub-charts": name, "secrets": name.removesuffix(".yaml")}.get(directory)
        hubs = [hub for hub in view.fleet.hubs if hub == own]
    return problem_of(error, tuple(hubs))


def _once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """What several hubs have in common is one problem of all of them."""
    found: dict[tuple[str, str, str], Problem] = {}
    for each in problems:
        key = (each.what, each.where, each.why)
        known = found.get(key)
        found[key] = replace(known, hubs=(*known.hubs, *each.hubs)) if known and known.hubs else each
    return iter(found.values())
