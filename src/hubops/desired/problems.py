"""`hubops check`: everything that is wrong in a repository, found offline and without secrets."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hubops.desired.charts import Charts
from hubops.desired.files import SecretFile, read_secrets
from hubops.desired.model import Findings, Fleet, Hub, Problem
from hubops.desired.repository import read_fleet
from hubops.desired.rules.model import Rule, Subject
from hubops.desired.rules.registry import REGISTRY, Registry
from hubops.desired.rules.switches import Switch, Switched, apply_switches, read_switches
from hubops.desired.rules.views import FleetView, HubView
from hubops.errors import RepositoryError


def find_problems(
    root: Path,
    names: Collection[str] = (),
    plain_in_git: Iterable[str] = (),
    registry: Registry = REGISTRY,
) -> Findings:
    """Everything that is wrong with the hubs of those names (none means all), each thing once.

    `plain_in_git` are the files below secrets/ that git has unencrypted, which only git can tell.

    Raises:
        RepositoryError: this is no operations repository.
        UsageError: there is no such hub.
    """
    reading = read_fleet(root)
    fleet, charts = reading.fleet, Charts(root)
    hubs = [fleet.require_hub(name) for name in names] or list(fleet.hubs.values())
    view = FleetView(fleet, reading.files, tuple(plain_in_git), registry.by_name)
    found = {hub.name: check_hub(fleet, hub, charts, reading.files.wrong, registry) for hub in hubs}
    errors = [*_broken(registry.of_reading, reading), *_broken(registry.of_fleet, view)]
    problems = [
        *(_located(each, view) for each in errors),
        *(p for one in found.values() for p in one.problems),
    ]
    switched = apply_switches(_once(problems), read_switches(fleet, registry.by_name))
    idle = [] if names or reading.files.wrong else _idle(switched, {hub for hub in found if found[hub].notes})
    late = [_located(each, view) for each in _broken(registry.of_switches, idle)]
    return Findings(
        tuple(
            each
            for each in (*switched.problems, *late)
            if not names or not each.hubs or {*each.hubs} & {*names}
        ),
        (*dict.fromkeys(note for one in found.values() for note in one.notes), *_told(switched)),
    )


def check_hub(
    fleet: Fleet, hub: Hub, charts: Charts, wrong: Collection[str] = (), registry: Registry = REGISTRY
) -> Findings:
    """What is wrong with one hub whose files could be read; what depends on `wrong` files is not judged."""
    notes: list[str] = []
    errors: list[RepositoryError] = []
    chart, settings = hub.chart.file, f"hub-charts/{hub.name}/hub.yaml"
    is_readable = not {chart, settings, *(each.file for each in hub.documents)} & {*wrong}
    secrets = _secrets(fleet, hub, errors) if is_readable else None
    view = HubView(fleet, hub, charts, secrets, notes.append)
    if not {chart, hub.lock.file} & {*wrong}:
        errors += _broken(registry.of_charts, view)
    if is_readable:
        errors += _broken(registry.of_hub, view)
    return Findings(tuple(_problem(error, (hub.name,)) for error in errors), tuple(notes))


def require_valid(fleet: Fleet, hub: Hub) -> None:
    """Refuse a hub that `hubops check` has something against, before anything is touched.

    Raises:
        RepositoryError: the first thing that is wrong; says how many more there are.
    """
    found = check_hub(fleet, hub, Charts(fleet.root)).problems
    problems = apply_switches(found, read_switches(fleet, REGISTRY.by_name)).problems
    if not problems:
        return
    error = problems[0].error()
    if more := len(problems) - 1:
        error.hint = (
            f"{error.hint} There {'is' if more == 1 else 'are'} {more} more: hubops check {hub.name}".lstrip()
        )
    raise error


def _broken(rules: Iterable[Rule[Subject]], subject: Subject) -> Iterator[RepositoryError]:
    for rule in rules:
        for error in rule.find(subject):
            error.rule = rule.name
            yield error


def _idle(switched: Switched, unsure: Collection[str]) -> list[Switch]:
    """The switches that took nothing; at `unsure` hubs something was not looked at that they may be for."""
    idle = [switch for switch, number in switched.taken.items() if not number]
    return [switch for switch in idle if not (switch.hub in unsure if switch.hub else unsure)]


def _told(switched: Switched) -> list[str]:
    taken = ((switch, number) for switch, number in switched.taken.items() if number)
    return [f"ignored: {number} of {each.rule} ({each.place}: {each.reason})" for each, number in taken]


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


def _located(error: RepositoryError, view: FleetView) -> Problem:
    """A problem of the hubs whose files, or whose image, it is about."""
    directory, _, rest = error.where.split(":")[0].partition("/")
    name = rest.split("/")[0]
    if directory.endswith("images"):
        hubs = [hub for hub, images in view.used_images.items() if name in images]
    else:
        own = {"hub-charts": name, "secrets": name.removesuffix(".yaml")}.get(directory)
        hubs = [hub for hub in view.fleet.hubs if hub == own]
    return _problem(error, tuple(hubs))


def _problem(error: RepositoryError, hubs: tuple[str, ...]) -> Problem:
    return Problem(error.what, error.where, error.why, error.hint, hubs, error.rule)


def _once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """What several hubs have in common is one problem of all of them."""
    found: dict[tuple[str, str, str], Problem] = {}
    for each in problems:
        key = (each.what, each.where, each.why)
        known = found.get(key)
        found[key] = replace(known, hubs=(*known.hubs, *each.hubs)) if known and known.hubs else each
    return iter(found.values())
