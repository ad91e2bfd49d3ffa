"""Chart.lock against Chart.yaml, as helm compares them when it builds a hub's dependencies."""

import json
import re
from collections.abc import Iterator

from hubops import digest
from hubops.desired.model import Hub, Values
from hubops.errors import RepositoryError

# The fields of a dependency that helm digests, in its order; only those in _ALWAYS also when empty.
_DIGESTED = ("name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias")
_ALWAYS = ("name", "repository")
_EXACT = re.compile(r"v?(\d+\.\d+\.\d+[-+.0-9A-Za-z]*)")
_LT, _GT, _AND = ("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")


def check_lock(hub: Hub) -> Iterator[RepositoryError]:
    """What helm would refuse about the hub's Chart.lock."""
    wanted: list[Values] = hub.chart.value.get("dependencies", [])
    found = hub.lock.value.get("dependencies")
    locked = [each for each in (found if isinstance(found, list) else []) if isinstance(each, dict)]
    hint = f"helm dependency update hub-charts/{hub.name}; commit Chart.lock with Chart.yaml."
    if wanted and not hub.lock.value:
        what = f"{hub.name} has no Chart.lock"
        why = "without it the version of the chart would follow from the day of the deploy"
        where = hub.chart.place("dependencies")
        yield RepositoryError(what, where=where, why=why, hint=f"Make it: {hint}", rule="missing-lock")
        return
    differences = list(_differences(hub, wanted, locked))
    for what, where in differences:
        yield RepositoryError(what, where=where, hint=f"Run: {hint}", rule="stale-lock")
    if wanted and not differences and hub.lock.value.get("digest") != helm_digest(wanted, locked):
        what, where = f"Chart.lock of {hub.name} was made for another Chart.yaml", hub.lock.place("digest")
        why = "its digest differs"
        yield RepositoryError(what, where=where, why=why, hint=f"Run: {hint}", rule="stale-lock")


def helm_digest(wanted: list[Values], locked: list[Values]) -> str:
    """The digest that helm writes to Chart.lock: over the dependencies in Chart.yaml and those it found."""
    both = [[_as_helm(each) for each in part] for part in (wanted, locked)]
    # As Go writes JSON: all letters as they are, but these three.
    text = json.dumps(both, separators=(",", ":"), ensure_ascii=False)
    for plain, escaped in (_LT, _GT, _AND):
        text = text.replace(plain, escaped)
    return digest.named(text.encode())


def _as_helm(dependency: Values) -> Values:
    found = ((key, dependency.get(key) or "") for key in _DIGESTED)
    return {key: value for key, value in found if value or key in _ALWAYS}


def exact_version(version: str) -> str:
    """The one version that a dependency asks for; empty where it asks for a range."""
    match = _EXACT.fullmatch(version)
    return match[1] if match else ""


def _differences(hub: Hub, wanted: list[Values], locked: list[Values]) -> Iterator[tuple[str, str]]:
    """In the order of Chart.yaml, which is the order in which helm locks."""
    for number, dependency in enumerate(wanted):
        name, found = dependency["name"], locked[number] if number < len(locked) else {}
        if found.get("name") != name:
            yield f"Chart.lock of {hub.name} lacks {name}", hub.chart.place("dependencies", number)
            continue
        version, repository = exact_version(dependency.get("version") or ""), dependency.get("repository")
        for key, ours in (("version", version), ("repository", repository)):
            theirs = str(found.get(key) or "")
            if ours and ours != theirs.removeprefix("v"):
                what = (
                    f"Chart.yaml of {hub.name} asks for {name} of {key} {ours}, its Chart.lock has {theirs}"
                )
                yield what, hub.chart.place("dependencies", number, key)
