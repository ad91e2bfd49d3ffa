"""Placeholders that a deploy changed: their StatefulSet starts none anew, so that helm waits for none."""

from hubops.clients.kube import Kube

_LABELS = "component=user-placeholder"


async def renew_placeholders(kube: Kube, namespace: str) -> None:
    """Delete those that are of an earlier form; their StatefulSet makes them again. Those of the upstream chart renew themselves."""
    sets, _ = await kube.list(f"/apis/apps/v1/namespaces/{namespace}/statefulsets", labels=_LABELS)
    revisions = {
        each["status"].get("updateRevision")
        for each in sets
        if each["spec"].get("updateStrategy", {}).get("type") == "OnDelete"
    }
    if not revisions:
        return
    path = f"/api/v1/namespaces/{namespace}/pods"
    pods, _ = await kube.list(path, labels=_LABELS)
    for pod in pods:
        if pod["metadata"]["labels"].get("controller-revision-hash") not in revisions:
            await kube.delete(f"{path}/{pod['metadata']['name']}")
