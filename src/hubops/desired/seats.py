"""Which hubs start people's servers from an image, and what each asks of it, by its values and its chart."""

from collections.abc import Iterator
from typing import Any

from hubops.desired.charts import Chart, Charts
from hubops.desired.injection import IMAGE_KEY
from hubops.desired.model import Fleet, Hub, Values
from hubops.desired.seat_model import Seat
from hubops.desired.values import find_value, leaves, merge, moved, of_jupyterhub

# The image that the embedded chart's version of JupyterHub is in.
_HUB_IMAGE = "hub"
_COMMAND = "jupyterhub-singleuser"
# Containers beside a person's server are none.
_BESIDE = {"extraContainers", "initContainers", "extra_containers", "init_containers"}


def find_seats(fleet: Fleet, image: str) -> tuple[Seat, ...]:
    """The hubs whose people get servers of the image, as the repository has them without values/local.yaml."""
    charts = Charts(fleet.root)
    written = [(hub, _values(hub)) for hub in fleet.hubs.values()]
    return tuple(
        _seat(hub, charts, values) for hub, values in written if image in {hub.image, *_named(values)}
    )


def _values(hub: Hub) -> Values:
    return of_jupyterhub(hub, merge(*moved(hub, hub.layers), hub.values))


def _named(values: Values) -> Iterator[str]:
    """The images of singleuser.image and of profiles."""
    for path, value in leaves(values.get("singleuser")):
        if path[-2:] == ("image", IMAGE_KEY) and not _BESIDE.intersection(path):
            yield str(value)


def _seat(hub: Hub, charts: Charts, written: Values) -> Seat:
    chart = _chart(hub, charts)
    values = merge(chart.values, written) if chart else written
    version, unknown = _hub_version(hub, chart, values)
    user: dict[str, Any] = values.get("singleuser") or {}
    storage = user.get("storage") or {}
    none = storage.get("type") == "none"
    return Seat(
        hub.name,
        version,
        unknown,
        uid=user.get("uid", Seat.uid),
        home="" if none else str(storage.get("homeMountPath") or Seat.home),
        command=_command(user.get("cmd", _COMMAND)),
        privileges=user.get("allowPrivilegeEscalation") is True,
    )


def _command(cmd: Any) -> tuple[str, ...]:
    """Without one the image's own is started, which hubops does not see; it is JupyterHub's in nearly all."""
    words = cmd if isinstance(cmd, list) else [cmd or _COMMAND]
    return tuple(map(str, words)) or (_COMMAND,)


def _chart(hub: Hub, charts: Charts) -> Chart | None:
    for dependency in hub.chart.value.get("dependencies") or ():
        if (dependency.get("alias") or dependency["name"]) == hub.prefix:
            return charts.find(hub, dependency)
    return None


def _hub_version(hub: Hub, chart: Chart | None, values: Values) -> tuple[str, str]:
    """The version of the hub's JupyterHub, or why nobody knows it here."""
    if chart is None:
        return "", f"the chart of {hub.name} is not on disk: helm dependency build hub-charts/{hub.name}"
    own = {None, _HUB_IMAGE} if chart.embedded else {None}
    named = find_value(values, ("hub", "image", IMAGE_KEY))
    tag, default = (find_value(all_of, ("hub", "image", "tag")) for all_of in (values, chart.values))
    if named not in own or tag != default:
        return "", f"{hub.name} has a hub of another image than its chart's own"
    return chart.app_version, "" if chart.app_version else f"{chart} does not say it"
