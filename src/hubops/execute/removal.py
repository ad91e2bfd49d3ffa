"""Taking a hub away: its release, then the servers, the claims that were shown, and the namespace."""

import asyncio

from hubops.answer import Absent
from hubops.clients.helm import Helm
from hubops.clients.kube import Kube, is_status
from hubops.deadline import Deadline
from hubops.desired.model import Hub
from hubops.errors import ClusterError, OutOfReachError
from hubops.state.archive_model import Claim, Remains

_GONE_LIMIT_S = 300
_POLL_S = 0.5
_CONFLICT = 409


async def uninstall(helm: Helm, hub: Hub, remains: Remains) -> None:
    """Take the release away, if it is still there.

    Raises:
        ReleaseError: helm fails.
    """
    if remains.revisions:
        await helm.uninstall(hub.release, hub.namespace)


async def delete_volumes(kube: Kube, hub: Hub, claims: tuple[Claim, ...]) -> None:
    """Delete people's servers and these claims, each by its UID: one that was made anew meanwhile is another.

    Raises:
        ClusterError, OutOfReachError: one is not deleted, or does not go.
    """
    space = f"/api/v1/namespaces/{hub.namespace}"
    pods, _ = await kube.list(f"{space}/pods", labels="component=singleuser-server")
    for pod in pods:
        await kube.delete(f"{space}/pods/{pod['metadata']['name']}")
    paths = [f"{space}/persistentvolumeclaims/{claim.name}" for claim in claims]
    for path, claim in zip(paths, claims, strict=True):
        await kube.delete(path, uid=claim.uid)
    await _wait_gone(kube, paths)


async def delete_namespace(kube: Kube, hub: Hub) -> None:
    """Delete the hub's namespace and all that is left in it.

    Raises:
        ClusterError, OutOfReachError: it is not deleted, or does not go.
    """
    path = f"/api/v1/namespaces/{hub.namespace}"
    try:
        await kube.delete(path)
    except ClusterError as error:
        if not is_status(error, _CONFLICT):  # which says that it is being deleted already
            raise
    await _wait_gone(kube, [path])


async def _wait_gone(kube: Kube, paths: list[str]) -> None:
    deadline = Deadline(_GONE_LIMIT_S)
    for path in paths:
        while not isinstance(await kube.find(path), Absent):
            if deadline.passed:
                raise OutOfReachError(
                    "what was deleted does not go",
                    where=path,
                    why=f"it is still there after {_GONE_LIMIT_S} s",
                    hint="See its finalizers and events, and run again: that goes on from here.",
                )
            await asyncio.sleep(_POLL_S)
