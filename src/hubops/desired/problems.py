"""`hubops check`: everything that is wrong in a repository, found offline and without secrets."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hubops.desired.chart_lock import check_lock
from hubops.desired.charts import Charts
from hubops.desired.files import SecretFile, read_secrets
from hubops.desired.image_check import check_images
from hubops.desired.model import Findings, Fleet, Hub, Problem
from hubops.desired.repository import read_fleet
from hubops.desired.secret_check import check_secrets
from hubops.desired.values_check import check_values
from hubops.errors import RepositoryError


def find_problems(root: Path, names: Collection[str] = ()) -> Findings:
    """Everything that is wrong with the hubs of those names (none means all), each thing once.

    Raises:
        RepositoryError: this is no operations repository.
        UsageError: there is no such hub.
    """
    reading = read_fleet(root)
    fleet, charts = reading.fleet, Charts(root)
    hubs = [fleet.require_hub(name) for name in names] or list(fleet.hubs.values())
    found = [Findings(reading.problems), *(check_hub(fleet, hub, charts, reading.wrong) for hub in hubs)]
    problems = _once(problem for findings in found for problem in findings.problems)
    return Findings(
        tuple(each for each in problems if not names or not each.hubs or {*each.hubs} & {*names}),
        tuple(dict.fromkeys(note for findings in found for note in findings.notes)),
    )


def check_hub(fleet: Fleet, hub: Hub, charts: Charts, wrong: Collection[str] = ()) -> Findings:
    """What is wrong with one hub whose files could be read; what depends on `wrong` files is not judged."""
    errors: list[RepositoryError] = []
    notes: list[str] = []
    chart, settings = hub.chart.file, f"hub-charts/{hub.name}/hub.yaml"
    if not {chart, hub.lock.file} & {*wrong}:
        errors += check_lock(hub)
    if not {chart, settings, *(each.file for each in hub.documents)} & {*wrong}:
        secrets = _secrets(fleet, hub, errors)
        errors += check_images(fleet, hub)
        errors += check_values(hub, charts, secrets, notes.append)
    return Findings(tuple(_problem(error, hub) for error in errors), tuple(notes))


def require_valid(fleet: Fleet, hub: Hub) -> None:
    """Refuse a hub that `hubops check` has something against, before anything is touched.

    Raises:
        RepositoryError: the first thing that is wrong; says how many more there are.
    """
    problems = check_hub(fleet, hub, Charts(fleet.root)).problems
    if not problems:
        return
    error = problems[0].error()
    if more := len(problems) - 1:
        error.hint = (
            f"{error.hint} There {'is' if more == 1 else 'are'} {more} more: hubops check {hub.name}".lstrip()
        )
    raise error


def _secrets(fleet: Fleet, hub: Hub, errors: list[RepositoryError]) -> SecretFile | None:
    """The hub's file of secrets, when it has one that can be read; what is wrong with it goes to `errors`."""
    # Without a context it is a cluster that hubops.yaml does not tell about, which is a problem of its own.
    if hub.cluster.local or not hub.cluster.context:
        return None
    try:
        file = read_secrets(fleet.root, hub.name)
    except RepositoryError as error:
        errors.append(error)
        return None
    errors += check_secrets(hub, file)
    return file


def _problem(error: RepositoryError, hub: Hub) -> Problem:
    return Problem(error.what, error.where, error.why, error.hint, (hub.name,))


def _once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """What several hubs have in common is one problem of all of them."""
    found: dict[tuple[str, str, str], Problem] = {}
    for each in problems:
        key = (each.what, each.where, each.why)
        known = found.get(key)
        found[key] = replace(known, hubs=(*known.hubs, *each.hubs)) if known and known.hubs else each
    return iter(found.values())
