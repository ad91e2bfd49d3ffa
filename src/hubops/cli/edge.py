"""The one address under which the hubs of the local cluster are found."""

from hubops import run
from hubops.desired.model import Fleet, Hub, ImageReference, Values
from hubops.local import paths
from hubops.local.cluster import EDGE_NODE_PORT

EDGE = "edge"


async def require_edge(fleet: Fleet, session: run.Session) -> None:
    """Build the edge's image where it is missing, and let it lead to every local hub of the fleet."""
    machine = session.machine
    images = await run.build_images(
        fleet, [EDGE], machine.registry, machine.workshop, session.emit, push=True
    )
    hubs = [hub for hub in fleet.in_order() if hub.cluster == machine.cluster]
    await deploy_edge(hubs, images[EDGE], session)


async def deploy_edge(hubs: list[Hub], image: ImageReference, session: run.Session) -> None:
    """Deploy the edge, leading to these hubs."""
    values = edge_values(hubs, {"name": image.repository, "tag": image.pinned_tag})
    await run.deploy_chart(paths.project_dir(), EDGE, values, session)


def edge_values(hubs: list[Hub], image: Values) -> Values:
    """The edge's chart values, from the fleet."""
    listed = [
        {"name": hub.name, "path": hub.path, "namespace": hub.namespace}
        | ({"disabled": hub.disabled} if hub.disabled else {})
        for hub in hubs
    ]
    return {"image": image, "hubs": listed, "service": {"type": "NodePort", "nodePort": EDGE_NODE_PORT}}
