"""A hub's values against the schemas of its charts, with stand-ins for images and secrets."""

from collections.abc import Callable, Iterator

from hubops.desired.chart_lock import exact_version
from hubops.desired.chart_values import for_dependency, is_enabled
from hubops.desired.charts import Chart, Charts
from hubops.desired.image_check import place_of_image
from hubops.desired.model import Hub, ImageReference, Values
from hubops.desired.places import own_values, place_of
from hubops.desired.probe import probe_values
from hubops.desired.schema import Fault
from hubops.desired.values import image_names, merge, prefixed, render_values
from hubops.errors import RepositoryError
from hubops.names import did_you_mean, nearest

UPSTREAM = ("4.4.0", "https://hub.jupyter.org/helm-chart/")
_STAND_IN = "0" * 64  # hexadecimal, and as long as any secret must be
_SECRETS: Values = {
    "proxy": {"secretToken": _STAND_IN},
    "hub": {"cookieSecret": _STAND_IN, "config": {"CryptKeeper": {"keys": [_STAND_IN]}}},
}
# Keys of a parent chart that helm itself reads.
_HELM_KEYS = ("global", "tags")
Note = Callable[[str], None]


def check_values(hub: Hub, charts: Charts, note: Note) -> Iterator[RepositoryError]:
    """What the hub's charts have against its values; told in `note` are the charts that are not on disk."""
    try:
        values = _deployed(hub)
    except RepositoryError as error:
        yield _placed(error, hub)
        return
    yield from _check_own(hub, values, charts)
    for number, dependency in enumerate(hub.chart.value["dependencies"]):
        if not is_enabled(values, dependency.get("condition") or ""):
            continue
        try:
            chart = charts.find(hub, dependency)
        except RepositoryError as error:
            error.where = error.where or hub.chart.place("dependencies", number, "repository")
            yield error
            continue
        if chart is None:
            note(_not_here(hub, dependency))
            continue
        yield from _other_version(hub, number, chart)
        key = _key(dependency)
        yield from _against(hub, chart, for_dependency(values, key, chart.values), key)


def _check_own(hub: Hub, values: Values, charts: Charts) -> Iterator[RepositoryError]:
    """The hub's own chart; most have dependencies and nothing else."""
    try:
        own = charts.own(hub)
    except RepositoryError as error:
        yield error
        return
    yield from _against(hub, own, values, "")
    if own.rules is None and not charts.has_templates(hub):
        yield from _strays(hub)


def _not_here(hub: Hub, dependency: Values) -> str:
    about = f"{dependency['name']} {dependency.get('version', '')}".strip()
    build = f"helm dependency build hub-charts/{hub.name}"
    return f"not checked: the chart {about} of {hub.name} is not here; run {build}"


def _key(dependency: Values) -> str:
    """The key under which a dependency gets its values."""
    return str(dependency.get("alias") or dependency["name"])


def _deployed(hub: Hub) -> Values:
    """The values as a deploy gives them to helm."""
    top = [hub.documents[-1].value] if hub.cluster.local else []
    images = {name: ImageReference(f"registry.invalid/{name}", "c0") for name in image_names(hub, *top)}
    secrets = merge(_SECRETS, probe_values(_STAND_IN))
    return merge(render_values(hub, images, *top), prefixed(hub, secrets))


def _placed(error: RepositoryError, hub: Hub) -> RepositoryError:
    """An image that is named and set by hand as well; who renders values knows no places."""
    named = (name for name in image_names(hub) if f"the image {name} is" in error.what)
    error.where = place_of_image(hub, next(named, ""))
    return error


def _against(hub: Hub, chart: Chart, values: Values, key: str) -> Iterator[RepositoryError]:
    for fault in chart.rules.find_faults(values) if chart.rules else ():
        yield RepositoryError(
            fault.what,
            where=place_of(hub, (key, *fault.path) if key else fault.path),
            why=_why(fault, chart),
            hint=_hint(fault, hub, key) if chart.embedded else fault.hint,
        )


def _why(fault: Fault, chart: Chart) -> str:
    if fault.rule == "unknown":
        return f"the {chart} does not know it"
    if fault.rule == "required":
        return f"the {chart} requires it"
    return f"the {chart} says: {fault.why}" if fault.why else f"the {chart} takes nothing else"


def _hint(fault: Fault, hub: Hub, key: str) -> str:
    """The embedded chart knows a part of upstream's keys and values."""
    if fault.rule not in {"unknown", "enum"}:
        return fault.hint
    number = [_key(each) for each in hub.chart.value["dependencies"]].index(key)
    lines = [
        f"{hub.chart.place('dependencies', number, field)} {field}: {value}"
        for field, value in zip(("version", "repository"), UPSTREAM, strict=True)
    ]
    what = "key" if fault.rule == "unknown" else "value"
    use = f"For a {what} that only the upstream chart has, use that chart: change these two lines in Chart.yaml:"
    return "\n".join([f"{fault.hint} {use}".lstrip(), *lines])


def _other_version(hub: Hub, number: int, chart: Chart) -> Iterator[RepositoryError]:
    wanted = hub.chart.value["dependencies"][number].get("version") or ""
    if exact_version(wanted) not in {"", chart.version}:
        where = hub.chart.place("dependencies", number, "version")
        what = (
            f"Chart.yaml of {hub.name} asks for {chart.name} {wanted}, but the chart there is {chart.version}"
        )
        hint = f"Write {chart.version}, then run: helm dependency update hub-charts/{hub.name}"
        yield RepositoryError(what, where=where, hint=hint)


def _strays(hub: Hub) -> Iterator[RepositoryError]:
    """Keys at the top of the hub's values that go to no chart: helm ignores them in silence."""
    dependencies = hub.chart.value["dependencies"]
    charts = sorted({_key(each) for each in dependencies})
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
        )
