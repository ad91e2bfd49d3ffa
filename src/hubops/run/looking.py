"""Looking at hubs: nothing here writes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hubops.desired.images import reference
from hubops.desired.model import Cluster, Fleet, Hub
from hubops.desired.values import image_names
from hubops.errors import HubopsError, RepositoryError
from hubops.run.fleet import Ways
from hubops.run.planning import wanted_content
from hubops.run.session import Machine, Session, learn_secrets
from hubops.state.live import read_live, read_logs
from hubops.state.model import History, Record, Status
from hubops.state.records import read_histories


async def read_statuses(fleet: Fleet, hubs: Sequence[Hub], ways: Ways) -> list[Status]:
    """Each hub as it is; a cluster that does not answer is the fault of its hubs alone."""
    found: dict[str, Status] = {}
    for cluster in dict.fromkeys(hub.cluster for hub in hubs):
        here = [hub for hub in hubs if hub.cluster == cluster]
        try:
            found |= await _on_cluster(fleet, cluster, here, ways)
        except HubopsError as error:
            fault = ways.redactor.mask(error.what)
            found |= {
                hub.name: Status(hub.name, cluster.name, History(hub.name), fault=fault) for hub in here
            }
    return [found[hub.name] for hub in hubs]


async def _on_cluster(fleet: Fleet, cluster: Cluster, hubs: Sequence[Hub], ways: Ways) -> dict[str, Status]:
    async with ways.session(await ways.machine(cluster)) as session:
        histories = await read_histories(session.kube)
        return {hub.name: await _status(fleet, hub, histories, session) for hub in hubs}


async def _status(fleet: Fleet, hub: Hub, histories: Mapping[str, History], session: Session) -> Status:
    history = histories.get(hub.name, History(hub.name))
    live = await read_live(session.kube, hub.namespace)
    held = find_held(fleet, hub, history, session.machine)
    return Status(hub.name, hub.cluster.name, history, live, held=held, disabled=hub.disabled)


def find_held(fleet: Fleet, hub: Hub, history: History, machine: Machine) -> Record | None:
    """The failed attempt that keeps what the files want from being tried; where nobody can tell, it counts as that.

    Which digest an image's tag has is taken from the attempt: no registry is asked.
    """
    failed = history.open_failure
    if failed is None or hub.disabled:
        return None
    try:
        images = {}
        for name in image_names(hub, *machine.top):
            image = reference(fleet, machine.registry, name)
            tried, _, digest = failed.content.images.get(name, "").partition("@")
            if tried != str(image):
                return None
            images[name] = replace(image, digest=digest)
        return history.held(wanted_content(fleet, hub, images, machine.top).key)
    except RepositoryError:
        return failed


async def hub_logs(hub: Hub, session: Session, lines: int) -> dict[str, str]:
    """The last log lines of the hub's own pods, masked.

    Raises:
        HubopsError: the cluster cannot be asked.
    """
    learn_secrets(hub, session)
    found = await read_logs(session.kube, hub.namespace, lines)
    return {name: session.redactor.mask(text) for name, text in found.items()}
