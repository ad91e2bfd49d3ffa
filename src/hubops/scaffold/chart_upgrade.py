"""Another version of a hub's JupyterHub chart: its files, and the keys that this version does not take any more."""

import re
from collections.abc import Iterator

from hubops.desired.chart_lock import exact_version
from hubops.desired.model import Hub, Problem, Values
from hubops.desired.replaced_keys import REPLACED
from hubops.desired.values import JUPYTERHUB
from hubops.errors import RepositoryError, UsageError
from hubops.scaffold.hub_files import lock_text
from hubops.scaffold.rewrite import rewrite


def upgraded_files(hub: Hub, version: str) -> dict[str, bytes | None]:
    """Chart.yaml and Chart.lock with the version; what else they hold stays.

    Raises:
        UsageError: the version is not one, or the hub has no such dependency.
        RepositoryError: another dependency asks for a range, and Chart.lock does not say which version it is.
    """
    if exact_version(version) != version.removeprefix("v"):
        raise UsageError(f"{version!r} is no version of a chart", hint="Write for example 4.4.0.")
    wanted: list[Values] = [dict(each) for each in hub.chart.value["dependencies"]]
    mine = next((each for each in wanted if each["name"] == JUPYTERHUB), None)
    if mine is None:
        raise UsageError(f"{hub.name} does not depend on the chart {JUPYTERHUB}", where=hub.chart.file)
    mine["version"] = version
    locked = [_locked(hub, each, version if each is mine else "") for each in wanted]
    text = (hub.directory / "Chart.yaml").read_bytes().decode()
    chart = rewrite(text, {**hub.chart.value, "dependencies": wanted}, hub.chart.file)
    below = f"hub-charts/{hub.name}/"
    lock = hub.directory / "Chart.lock"
    before = lock.read_bytes().decode() if lock.is_file() else ""
    return {
        f"{below}Chart.yaml": chart.encode(),
        f"{below}Chart.lock": lock_text(wanted, locked, before).encode(),
    }


def find_replaced(hub: Hub, version: str) -> Iterator[Problem]:
    """Keys in the hub's files that the chart's version does not take any more, each place of each."""
    new = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    for each in (each for each in REPLACED if each.since <= new):
        what = f"{each.key} is no key of the chart {JUPYTERHUB} any more"
        why = f"since {each.version} the chart says it otherwise"
        for where in _places(hub, tuple(each.key.split("."))):
            yield Problem(what, where, why, f"Write {each.instead}.", (hub.name,))


def _places(hub: Hub, path: tuple[str, ...]) -> Iterator[str]:
    for document in hub.documents:
        found = (document.places.get((head, *path)) for head in dict.fromkeys((hub.prefix, JUPYTERHUB)))
        yield from (place for place in found if place)


def _locked(hub: Hub, dependency: Values, version: str) -> Values:
    if not version:
        known = (
            each
            for each in hub.lock.value.get("dependencies") or []
            if each.get("name") == dependency["name"]
        )
        version = next((str(each["version"]) for each in known), "") or exact_version(
            dependency.get("version") or ""
        )
    if not version:
        what = f"nobody knows which version of {dependency['name']} {hub.name} has"
        hint = f"Make Chart.lock first: helm dependency update hub-charts/{hub.name}"
        raise RepositoryError(what, where=hub.chart.place("dependencies"), hint=hint)
    return {"name": dependency["name"], "repository": dependency.get("repository") or "", "version": version}
