"""A claim for a while, into which a part of an archive is restored to see that it can be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from hubops.clients.kube import Json, Kube
from hubops.execute.volume_pod import LABEL, remove
from hubops.state.archive_model import Claim


@asynccontextmanager
async def open_sample(kube: Kube, namespace: str, hub: str, claim: Claim) -> AsyncIterator[Claim]:
    """An empty claim like this one, under another name; gone at the end, with its volume.

    Raises:
        ClusterError: there may be none, by a quota for example.
    """
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    name = f"hubops-sample-{claim.uid[:13]}"
    body = claim_body(replace(claim, name=name, labels={LABEL: hub}, annotations={}))
    made = await kube.create(path, body)
    try:
        yield replace(claim, name=name, uid=made["metadata"]["uid"], node="")
    finally:
        await remove(kube, f"{path}/{name}")


def claim_body(claim: Claim) -> Json:
    """A claim as it is asked for."""
    storage_class = {"storageClassName": claim.storage_class} if claim.storage_class else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": claim.name,
            "labels": dict(claim.labels),
            "annotations": dict(claim.annotations),
        },
        "spec": {
            "accessModes": list(claim.access_modes),
            "resources": {"requests": {"storage": claim.size}},
            **storage_class,
        },
    }
