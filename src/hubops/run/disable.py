"""A hub that is not to run: everything of it at 0, its data and records as they are (docs/adr/0011)."""

from hubops.desired.model import Hub
from hubops.events import step
from hubops.execute.content import forget_content
from hubops.execute.scale import find_running, stop
from hubops.run.session import Session, hold_and_write


async def disable(hub: Hub, session: Session) -> bool:
    """Bring what the hub's release runs to nothing, and end its people's servers. Whether anything ran.

    The release forgets what it was deployed from: as soon as the hub is enabled again, it is deployed and
    proved anew. How its pods end is not waited for: Kubernetes needs nothing more from anybody.

    Raises:
        HubopsError: nobody can tell, or the cluster refuses it.
    """
    with step(session.emit, f"disable {hub.name}") as note:
        if not any(await find_running(session.kube, hub.release, hub.namespace)):
            note.text = "nothing of it runs"
            return False
        async with hold_and_write(session, hub.name) as writer:
            workloads, servers = await find_running(writer.kube, hub.release, hub.namespace)
            # First: a run that is killed here leaves a hub that is deployed anew, never one that seems deployed.
            await forget_content(writer.kube, hub.release, hub.namespace)
            await stop(writer.kube, workloads, servers)
        note.text = f"{len(workloads)} workloads at 0, {len(servers)} people's servers ended"
    return True
