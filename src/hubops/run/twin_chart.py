"""What helm would bring to the cluster for a hub, rendered for its twin."""

from hubops.clients.kube import Json
from hubops.desired.charts import Charts
from hubops.desired.manifests.model import Manifest
from hubops.desired.manifests.reading import read_manifests
from hubops.desired.model import Fleet, Hub, Values
from hubops.desired.people import with_people
from hubops.desired.values import JUPYTERHUB, merge, prefixed
from hubops.errors import RepositoryError
from hubops.execute.bundle import Bundle
from hubops.run.session import Session, Writer, secret_values

# What a twin does without: nobody's server is ended, and what belongs to the whole cluster is not its own.
_WITHOUT: Values = {
    "cull": {"enabled": False},
    "proxy": {"https": {"enabled": False}},
    "scheduling": {"userScheduler": {"enabled": False}, "podPriority": {"enabled": False}},
}


async def render_twin(
    fleet: Fleet, hub: Hub, bundle: Bundle, namespace: str, *, writer: Writer, session: Session
) -> list[Json]:
    """The objects of the bundle with today's people and secrets, but for what a twin does without.

    Raises:
        RepositoryError: the chart refuses the values.
    """
    secrets = prefixed(hub, secret_values(hub, session.machine))
    without = prefixed(hub, known(_WITHOUT, _defaults(fleet, hub)))
    values = merge(with_people(hub, bundle.content.values), secrets, without)
    version = (await session.kube.request("GET", "/version"))["gitVersion"]
    rendered, failure = await writer.helm.render(
        hub.release, namespace, bundle.chart, values, version, debug=False
    )
    if failure:
        where, hint = f"hub-charts/{hub.name}/values.yaml", "Change what it names."
        raise RepositoryError("the chart refuses the hub's values", where=where, why=failure, hint=hint)
    return [each.value for each in read_manifests(rendered) if isinstance(each, Manifest)]


def _defaults(fleet: Fleet, hub: Hub) -> Values:
    wanted = next(each for each in hub.chart.value["dependencies"] if each["name"] == JUPYTERHUB)
    chart = Charts(fleet.root).find(hub, wanted)
    return chart.values if chart else {}


def known(values: Values, defaults: Values) -> Values:
    """Those of the values whose keys a chart with these defaults has; others it may refuse."""
    return {
        key: known(value, defaults[key]) if isinstance(value, dict) else value
        for key, value in values.items()
        if key in defaults and (not isinstance(value, dict) or isinstance(defaults[key], dict))
    }
