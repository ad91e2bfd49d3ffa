"""Looking at hubs: nothing here writes."""

from collections.abc import Sequence

from hubops.desired.model import Cluster, Hub
from hubops.errors import HubopsError
from hubops.run.fleet import Ways
from hubops.run.session import Session, learn_secrets
from hubops.state.live import read_live, read_logs
from hubops.state.model import History, Status
from hubops.state.records import read_histories


async def read_statuses(hubs: Sequence[Hub], ways: Ways) -> list[Status]:
    """Each hub as it is; a cluster that does not answer is the fault of its hubs alone."""
    found: dict[str, Status] = {}
    for cluster in dict.fromkeys(hub.cluster for hub in hubs):
        here = [hub for hub in hubs if hub.cluster == cluster]
        try:
            found |= await _on_cluster(cluster, here, ways)
        except HubopsError as error:
            fault = ways.redactor.mask(error.what)
            found |= {
                hub.name: Status(hub.name, cluster.name, History(hub.name), fault=fault) for hub in here
            }
    return [found[hub.name] for hub in hubs]


async def _on_cluster(cluster: Cluster, hubs: Sequence[Hub], ways: Ways) -> dict[str, Status]:
    async with ways.session(await ways.machine(cluster)) as session:
        histories = await read_histories(session.kube)
        return {
            hub.name: Status(
                hub.name,
                cluster.name,
                histories.get(hub.name, History(hub.name)),
                await read_live(session.kube, hub.namespace),
            )
            for hub in hubs
        }


async def hub_logs(hub: Hub, session: Session, lines: int) -> dict[str, str]:
    """The last log lines of the hub's own pods, masked.

    Raises:
        HubopsError: the cluster cannot be asked.
    """
    learn_secrets(hub, session)
    found = await read_logs(session.kube, hub.namespace, lines)
    return {name: session.redactor.mask(text) for name, text in found.items()}
