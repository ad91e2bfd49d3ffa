"""A hub's dependencies: the keys under which they get values, the versions asked for, and what reaches none."""

from collections.abc import Iterator

from hubops.desired.chart_lock import exact_version
from hubops.desired.charts import Chart
from hubops.desired.model import Hub, Values
from hubops.desired.places import own_values
from hubops.errors import RepositoryError
from hubops.names import did_you_mean, nearest

# Keys of a parent chart that helm itself reads.
_HELM_KEYS = ("global", "tags")


def key_of(dependency: Values) -> str:
    """The key under which a dependency gets its values."""
    return str(dependency.get("alias") or dependency["name"])


def not_here(hub: Hub, dependency: Values) -> str:
    """What to say about a chart that is not on disk."""
    about = f"{dependency['name']} {dependency.get('version', '')}".strip()
    build = f"helm dependency build hub-charts/{hub.name}"
    return f"not checked: the chart {about} of {hub.name} is not here; run {build}"


def check_version(hub: Hub, number: int, chart: Chart) -> Iterator[RepositoryError]:
    """Whether a chart on disk is of the version that Chart.yaml asks for."""
    wanted = hub.chart.value["dependencies"][number].get("version") or ""
    if exact_version(wanted) not in {"", chart.version}:
        where = hub.chart.place("dependencies", number, "version")
        what = (
            f"Chart.yaml of {hub.name} asks for {chart.name} {wanted}, but the chart there is {chart.version}"
        )
        hint = f"Write {chart.version}, then run: helm dependency update hub-charts/{hub.name}"
        yield RepositoryError(what, where=where, hint=hint, rule="chart-version")


def check_keys(hub: Hub) -> Iterator[RepositoryError]:
    """Keys at the top of the hub's values that go to no chart: helm ignores them in silence."""
    dependencies = hub.chart.value["dependencies"]
    charts = sorted({key_of(each) for each in dependencies})
    conditions = {(each.get("condition") or "").split(".")[0] for each in dependencies}
    for key in hub.values if charts else ():
        if key in {*charts, *conditions, *_HELM_KEYS}:
            continue
        is_slip = nearest(key, charts) or len(charts) > 1
        yield RepositoryError(
            f"unknown key {key}",
            where=own_values(hub).place(key),
            why=f"no dependency in {hub.chart.file} has this name, and helm ignores it",
            hint=did_you_mean(key, charts) if is_slip else f"Put it below {charts[0]}.",
            rule="misplaced-key",
        )
