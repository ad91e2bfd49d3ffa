"""What keeps a pod from even being made: a quota, a refused volume. Pods do not show it; their makers do."""

import asyncio

from hubops.clients.kube import Kube
from hubops.deadline import Deadline
from hubops.errors import ReleaseError
from hubops.secret import Redactor

# A pod that ends still counts for a quota, and a volume may take a second try.
_PATIENCE_S = 12
_POLL_S = 2
_VOLUME_FAULTS = {"ProvisioningFailed", "FailedBinding"}
# People's own volumes are not the release's.
_OURS = "component!=singleuser-storage"


async def refuse_stuck(kube: Kube, namespace: str, redactor: Redactor) -> None:
    """Watch the makers of pods, and return never: only what stays refused for a while ends it.

    Raises:
        ReleaseError: names the object and what the cluster says of it.
    """
    since: dict[str, Deadline] = {}
    while True:
        stuck = {**await _unmade(kube, namespace), **await _unbound(kube, namespace)}
        since = {where: since.get(where) or Deadline(_PATIENCE_S) for where in stuck}
        for where, limit in since.items():
            if limit.passed:
                why = redactor.mask(stuck[where])
                raise ReleaseError(f"{where} gets nothing from the cluster: {why}", where=where)
        await asyncio.sleep(_POLL_S)


async def _unmade(kube: Kube, namespace: str) -> dict[str, str]:
    """Deployments whose pods the API server refuses to make."""
    items, _ = await kube.list(f"/apis/apps/v1/namespaces/{namespace}/deployments")
    return {
        f"deployment {namespace}/{item['metadata']['name']}": condition.get("message", "")
        for item in items
        for condition in item.get("status", {}).get("conditions", ())
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True"
    }


async def _unbound(kube: Kube, namespace: str) -> dict[str, str]:
    """Claims that wait for a volume which was refused."""
    claims, _ = await kube.list(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", labels=_OURS)
    stuck = {}
    for claim in claims:
        if claim.get("status", {}).get("phase") != "Pending":
            continue
        name = claim["metadata"]["name"]
        fields = f"involvedObject.uid={claim['metadata']['uid']}"
        events, _ = await kube.list(f"/api/v1/namespaces/{namespace}/events", fields=fields)
        said = [event.get("message", "") for event in events if event.get("reason") in _VOLUME_FAULTS]
        if said:
            stuck[f"persistentvolumeclaim {namespace}/{name}"] = said[-1]
    return stuck
