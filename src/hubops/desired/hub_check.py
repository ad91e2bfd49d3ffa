"""One hub, looked at by every rule that is about it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hubops.desired.charts import Charts
from hubops.desired.files import SecretFile, read_secrets
from hubops.desired.manifests.model import Rendering
from hubops.desired.model import Findings, Fleet, Hub, Problem
from hubops.desired.rules.manifests import RenderedView
from hubops.desired.rules.model import Rule, Subject
from hubops.desired.rules.registry import REGISTRY, Registry
from hubops.desired.rules.views import HubView
from hubops.errors import RepositoryError


@dataclass(frozen=True)
class Looked:
    """A hub that was looked at; `view` may be judged further only where its files could be read."""

    view: HubView
    is_readable: bool
    notes: list[str]
    errors: Sequence[RepositoryError]

    @property
    def findings(self) -> Findings:
        return Findings(self._problems(self.errors), tuple(self.notes))

    def judge(self, renderings: Sequence[Rendering], registry: Registry) -> tuple[Problem, ...]:
        """What is wrong in what helm made of it."""
        return self._problems(broken(registry.of_manifests, RenderedView(self.view, renderings)))

    def _problems(self, errors: Iterable[RepositoryError]) -> tuple[Problem, ...]:
        return tuple(problem_of(error, (self.view.hub.name,)) for error in errors)


def check_hub(fleet: Fleet, hub: Hub, charts: Charts) -> Findings:
    """What is wrong with one hub whose files could be read."""
    return look_at(fleet, hub, charts, (), REGISTRY).findings


def look_at(fleet: Fleet, hub: Hub, charts: Charts, wrong: Collection[str], registry: Registry) -> Looked:
    """What depends on `wrong` files is not judged."""
    notes: list[str] = []
    errors: list[RepositoryError] = []
    chart, settings = hub.chart.file, f"hub-charts/{hub.name}/hub.yaml"
    is_readable = not {chart, settings, *(each.file for each in hub.documents)} & {*wrong}
    secrets = _secrets(fleet, hub, errors) if is_readable else None
    view = HubView(fleet, hub, charts, secrets, notes.append)
    if not {chart, hub.lock.file} & {*wrong}:
        errors += broken(registry.of_charts, view)
    if is_readable:
        errors += broken(registry.of_hub, view)
    return Looked(view, is_readable, notes, errors)


def _secrets(fleet: Fleet, hub: Hub, errors: list[RepositoryError]) -> SecretFile | None:
    """The hub's file of secrets, when it has one that can be read; what is wrong with it goes to `errors`."""
    # Without a context it is a cluster that hubops.yaml does not tell about, which is a problem of its own.
    if hub.cluster.local or not hub.cluster.context:
        return None
    try:
        return read_secrets(fleet.root, hub.name)
    except RepositoryError as error:
        error.rule = "unreadable-yaml"
        errors.append(error)
        return None


def broken(rules: Iterable[Rule[Subject]], subject: Subject) -> Iterator[RepositoryError]:
    for rule in rules:
        for error in rule.find(subject):
            error.rule = rule.name
            yield error


def problem_of(error: RepositoryError, hubs: tuple[str, ...]) -> Problem:
    return Problem(error.what, error.where, error.why, error.hint, hubs, error.rule)
