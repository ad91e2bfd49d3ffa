"""A hub's values against the schemas of its charts, with stand-ins for images and secrets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hubops.desired.chart_values import for_dependency, is_enabled
from hubops.desired.charts import Chart, Charts
from hubops.desired.dependency_check import check_keys, check_version, key_of, not_here
from hubops.desired.files import SecretFile
from hubops.desired.image_check import place_of_image
from hubops.desired.model import Hub, ImageReference, Values
from hubops.desired.places import place_of
from hubops.desired.probe import probe_values
from hubops.desired.replaced_keys import REPLACED
from hubops.desired.schema import Fault, dotted
from hubops.desired.secret_files import STAND_IN, SecretState, with_stand_ins
from hubops.desired.values import image_names, merge, prefixed, render_values
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError

UPSTREAM = ("4.4.0", "https://hub.jupyter.org/helm-chart/")
# What is generated on the local cluster.
GENERATED: Values = {
    "proxy": {"secretToken": STAND_IN},
    "hub": {"cookieSecret": STAND_IN, "config": {"CryptKeeper": {"keys": [STAND_IN]}}},
}
Note = Callable[[str], None]


@dataclass(frozen=True)
class Given:
    """What a hub's charts are given, with stand-ins; `secrets` are the file with the secrets among it."""

    hub: Hub
    values: Values
    secrets: SecretFile | None

    def secret_place(self, path: Path) -> str:
        """Where the file of secrets sets a value, empty where it does not."""
        return self.secrets.document.places.get(path, "") if self.secrets else ""

    def is_closed(self) -> bool:
        """Whether there are secrets that cannot be seen: they may hold what seems to be missing."""
        closed = {SecretState.MISSING, SecretState.GIT_CRYPT_LOCKED}
        return not self.hub.cluster.local and (not self.secrets or self.secrets.state in closed)


def check_values(given: Given, charts: Charts, note: Note) -> Iterator[RepositoryError]:
    """What the hub's charts have against its values; told in `note` are the charts that are not on disk."""
    hub = given.hub
    yield from _check_own(given, charts)
    for number, dependency in enumerate(hub.chart.value["dependencies"]):
        if not is_enabled(given.values, dependency.get("condition") or ""):
            continue
        try:
            chart = charts.find(hub, dependency)
        except RepositoryError as error:
            error.where = error.where or hub.chart.place("dependencies", number, "repository")
            error.rule = "unreadable-chart"
            yield error
            continue
        if chart is None:
            note(not_here(hub, dependency))
            continue
        yield from check_version(hub, number, chart)
        key = key_of(dependency)
        yield from _against(given, chart, for_dependency(given.values, key, chart.values), key)


def _check_own(given: Given, charts: Charts) -> Iterator[RepositoryError]:
    """The hub's own chart; most have dependencies and nothing else."""
    try:
        own = charts.own(given.hub)
    except RepositoryError as error:
        error.rule = "unreadable-chart"
        yield error
        return
    yield from _against(given, own, given.values, "")
    if own.rules is None and not charts.has_templates(given.hub):
        yield from check_keys(given.hub)


def deployed_values(hub: Hub, secrets: SecretFile | None) -> Values:
    """The values as a deploy gives them to helm, but for images and secrets.

    Raises:
        RepositoryError: an image is named and set by hand as well.
    """
    top = [hub.documents[-1].value] if hub.cluster.local else []
    images = {name: ImageReference(f"registry.invalid/{name}", "c0") for name in image_names(hub, *top)}
    written = with_stand_ins(secrets.document.value or {}) if secrets else {}
    generated = merge(GENERATED if hub.cluster.local else {}, probe_values(STAND_IN))
    try:
        rendered = render_values(hub, images, *top)
    except RepositoryError as error:
        raise _placed(error, hub) from None
    return merge(rendered, written, prefixed(hub, generated))


def _placed(error: RepositoryError, hub: Hub) -> RepositoryError:
    """For an image that is named and set by hand as well; who renders values knows no places of images."""
    error.rule = "wrong-value"
    if "image" in error.what:
        named = (name for name in image_names(hub) if f"the image {name} is" in error.what)
        error.where = place_of_image(hub, next(named, ""))
        error.rule = "hand-set-image"
    return error


def _against(given: Given, chart: Chart, values: Values, key: str) -> Iterator[RepositoryError]:
    for fault in chart.rules.find_faults(values) if chart.rules else ():
        path = (key, *fault.path) if key else fault.path
        if fault.rule == "required" and given.is_closed():
            continue
        if where := given.secret_place(path):
            yield from _against_secret(fault, where, chart)
            continue
        hint = _hint(fault, given.hub, key) if chart.embedded else fault.hint
        place = place_of(given.hub, path)
        yield RepositoryError(fault.what, where=place, why=_why(fault, chart), hint=hint, rule=_rule(fault))


def _against_secret(fault: Fault, where: str, chart: Chart) -> Iterator[RepositoryError]:
    """A stand-in has its secret's key and type, and nothing else that could be judged or shown."""
    if fault.rule not in {"unknown", "type"}:
        return
    what = fault.what if fault.rule == "unknown" else f"{dotted(fault.path)} is of a wrong type"
    hint = fault.hint if fault.rule == "unknown" else ""
    yield RepositoryError(what, where=where, why=_why(fault, chart), hint=hint, rule=_rule(fault))


def _rule(fault: Fault) -> str:
    """The rule of `hubops check` for a keyword of JSON Schema."""
    return {"unknown": "unknown-chart-key", "required": "missing-value"}.get(fault.rule, "wrong-value")


def _why(fault: Fault, chart: Chart) -> str:
    if fault.rule == "unknown":
        return f"the {chart} does not know it"
    if fault.rule == "required":
        return f"the {chart} requires it"
    return f"the {chart} says: {fault.why}" if fault.why else f"the {chart} takes nothing else"


def _hint(fault: Fault, hub: Hub, key: str) -> str:
    """The embedded chart knows a part of upstream's keys and values, and none that upstream itself gave up."""
    if fault.rule not in {"unknown", "enum"}:
        return fault.hint
    version = tuple(map(int, UPSTREAM[0].split(".")))
    for each in REPLACED:
        if fault.rule == "unknown" and each.key == dotted(fault.path) and each.since <= version:
            return f"Write {each.instead}: the upstream chart took {each.key} before {each.version} only."
    number = [key_of(each) for each in hub.chart.value["dependencies"]].index(key)
    lines = [
        f"{hub.chart.place('dependencies', number, field)} {field}: {value}"
        for field, value in zip(("version", "repository"), UPSTREAM, strict=True)
    ]
    what = "key" if fault.rule == "unknown" else "value"
    use = f"For a {what} that only the upstream chart has, use that chart: change these two lines in Chart.yaml:"
    return "\n".join([f"{fault.hint} {use}".lstrip(), *lines])
