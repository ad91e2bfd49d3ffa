"""What is known only by its lasting: a pod that cannot even be made (a quota, a volume), one that fails again."""

import asyncio

from hubops.checks.rollout import cannot_start, find_failing
from hubops.clients.kube import Kube
from hubops.deadline import Deadline
from hubops.errors import ReleaseError
from hubops.secret import Redactor

# A pod that ends still counts for a quota, and a volume may take a second try.
_PATIENCE_S = 12
# A container that failed twice waits 20 s for its third try (kubelet's back-off); who needs that has 8 of them.
_FAILING_PATIENCE_S = 8
_POLL_S = 2
_VOLUME_FAULTS = {"ProvisioningFailed", "FailedBinding"}
# People's own volumes are not the release's.
_OURS = "component!=singleuser-storage"


async def refuse_stuck(kube: Kube, namespace: str, known: set[str], redactor: Redactor) -> None:
    """Watch, and return never: only what stays refused, or goes on failing, for a while ends it.

    Pods `known` from before, by uid, do not count.

    Raises:
        ReleaseError: names the object and what the cluster says of it.
    """
    since: dict[str, Deadline] = {}
    while True:
        refused = {**await _unmade(kube, namespace), **await _unbound(kube, namespace)}
        failing = await find_failing(kube, namespace, known)
        limits = dict.fromkeys(refused, _PATIENCE_S) | dict.fromkeys(failing, _FAILING_PATIENCE_S)
        since = {where: since.get(where) or Deadline(limit) for where, limit in limits.items()}
        for where, limit in since.items():
            if limit.passed and where in refused:
                why = redactor.mask(refused[where])
                raise ReleaseError(f"{where} gets nothing from the cluster: {why}", where=where)
            if limit.passed:
                raise await cannot_start(kube, failing[where], redactor)
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
