"""Which cluster this is: its name in hubops.yaml, written into it at the first deploy and compared ever after.

A kubeconfig's context is a name for an address, and both change hands.
"""

from hubops.answer import Absent, Present
from hubops.clients.kube import Kube, is_status
from hubops.errors import ClusterError, OutOfReachError, RefusedError

_PATH = "/api/v1/namespaces/hubops/configmaps"
_NAME = "cluster"
_CONFLICT = 409


async def require_cluster(kube: Kube, name: str) -> None:
    """Refuse a cluster that bears another name.

    Raises:
        RefusedError: it is another one.
        OutOfReachError: nobody can tell.
    """
    found = await kube.find(f"{_PATH}/{_NAME}")
    if isinstance(found, Absent):
        return
    if not isinstance(found, Present):
        raise OutOfReachError("nobody can tell which cluster this is", why=found.reason)
    other = found.value.get("data", {}).get("name")
    if other != name:
        raise RefusedError(
            f"this is not the cluster {name}",
            where=f"hubops.yaml: clusters.{name}",
            why=f"what answers was set up as {other}",
            hint="Correct the context. If the cluster was renamed: kubectl -n hubops delete configmap cluster",
        )


async def mark_cluster(kube: Kube, name: str) -> None:
    """Write the name into a cluster that has none; as `require_cluster` otherwise."""
    await require_cluster(kube, name)
    if isinstance(await kube.find(f"{_PATH}/{_NAME}"), Absent):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _NAME}, "data": {"name": name}}
        try:
            await kube.create(_PATH, body)
        except ClusterError as error:
            if not is_status(error, _CONFLICT):
                raise
            await require_cluster(kube, name)  # the deploy of another hub was faster


async def cluster_uid(kube: Kube) -> str:
    """What tells a cluster that is marked from every other, whatever they are called.

    Raises:
        OutOfReachError, ClusterError: it cannot be read.
    """
    return str((await kube.request("GET", f"{_PATH}/{_NAME}"))["metadata"]["uid"])
