"""A pod that mounts one claim and serves its content (docs/adr/0015); gone at the end, and after a kill by the next run."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubops import digest
from hubops.answer import Absent
from hubops.clients.kube import Json, Kube
from hubops.clients.volume import Volume
from hubops.deadline import Deadline
from hubops.errors import ClusterError, OutOfReachError
from hubops.execute.sent import sent_command
from hubops.secret import Secret
from hubops.state.archive_model import Claim, HubPod

# On everything that is made to look into a hub's volumes: pods, and the claims of samples.
LABEL = "hubops.dev/volume-of"
PORT = 8000
_READY_LIMIT_S = 180
_GONE_LIMIT_S = 60
_POLL_S = 0.5
# User servers may have nodes of their own (both spellings are the upstream chart's).
_TOLERATIONS = [
    {"key": f"hub.jupyter.org{sign}dedicated", "operator": "Exists", "effect": "NoSchedule"} for sign in "/_"
]


@asynccontextmanager
async def open_volume(
    kube: Kube,
    namespace: str,
    hub: str,
    claim: Claim,
    pod: HubPod,
    *,
    write: bool = False,
    below: str = "",
) -> AsyncIterator[Volume]:
    """Mount a claim in a pod of its own, on the node where it is mounted already, if it is; only read without `write`.

    `below` is a directory in it, "" for all of it.

    Raises:
        ClusterError: it cannot be mounted, with what Kubernetes says.
        OutOfReachError: the pod is not ready in time, or nobody can tell.
    """
    token = Secret(secrets.token_urlsafe(32))
    name = f"hubops-volume-{claim.uid[:13]}"
    path = f"/api/v1/namespaces/{namespace}/pods"
    body = _manifest(name, hub, claim, pod, digest.of_bytes(token.reveal().encode()), write=write)
    if below:
        body["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = below
    await kube.create(path, body)
    try:
        await wait_ready(
            kube, f"{path}/{name}", "a volume cannot be mounted", f"claim {namespace}/{claim.name}"
        )
        yield Volume(kube, f"{path}/{name}:{PORT}/proxy", token, claim.name)
    finally:
        await asyncio.shield(remove(kube, f"{path}/{name}"))


async def sweep(kube: Kube, namespace: str, hub: str) -> None:
    """Remove what a killed run left; the hub's lease says that no other is at work."""
    for collection in ("pods", "persistentvolumeclaims"):
        path = f"/api/v1/namespaces/{namespace}/{collection}"
        left, _ = await kube.list(path, labels=f"{LABEL}={hub}")
        for item in left:
            await remove(kube, f"{path}/{item['metadata']['name']}")


def _manifest(name: str, hub: str, claim: Claim, pod: HubPod, token_sha256: str, *, write: bool) -> Json:
    owner = claim.owner
    container = {
        "name": "volume",
        "image": pod.image,
        "command": sent_command("volume.server", "volume"),
        "args": ["/volume", str(PORT), token_sha256],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "startupProbe": {
            "tcpSocket": {"port": PORT},
            "periodSeconds": 1,
            "failureThreshold": _READY_LIMIT_S,
        },
        "volumeMounts": [
            {"name": "volume", "mountPath": "/volume", "readOnly": not write},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {LABEL: hub}},
        "spec": {
            **({"nodeName": claim.node} if claim.node.strip("?") else {}),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "tolerations": _TOLERATIONS,
            "imagePullSecrets": [{"name": each} for each in pod.pull_secrets],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": owner.uid,
                "runAsGroup": owner.gid,
                "fsGroup": owner.fs_gid,
                # Without it each mount would go through all files.
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [
                # Read-only is the mount alone: a volume that is attached so cannot be mounted by its own pod.
                {"name": "volume", "persistentVolumeClaim": {"claimName": claim.name}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }


async def wait_ready(kube: Kube, path: str, what: str, where: str, limit_s: float = _READY_LIMIT_S) -> None:
    """Wait until a pod of ours serves; an error says `what` does not work, and `where`.

    Raises:
        ClusterError: the pod has ended, with what Kubernetes says.
        OutOfReachError: it is not ready in time.
    """
    deadline = Deadline(limit_s)
    while True:
        pod = await kube.request("GET", path)
        status = pod.get("status", {})
        if any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ())):
            return
        ended = status.get("phase") in {"Failed", "Succeeded"}
        if ended or deadline.passed:
            why = await _why(kube, pod)
            hint = "See what the pod waits for, and run again."
            kind = ClusterError if ended else OutOfReachError
            raise kind(what, where=where, why=why, hint=hint)
        await asyncio.sleep(_POLL_S)


async def _why(kube: Kube, pod: Json) -> str:
    """What Kubernetes says of a pod that does not get ready."""
    about, status = pod["metadata"], pod.get("status", {})
    said = [status.get("message", "")]
    said += [c.get("message", "") for c in status.get("conditions", ()) if c["status"] == "False"]
    for each in status.get("containerStatuses", ()):
        said += [state.get("message") or state.get("reason", "") for state in each["state"].values()]
    events, _ = await kube.list(
        f"/api/v1/namespaces/{about['namespace']}/events", fields=f"involvedObject.uid={about['uid']}"
    )
    said += [event.get("message", "") for event in events if event.get("type") == "Warning"]
    return "\n".join(dict.fromkeys(filter(None, said)))


async def remove(kube: Kube, path: str) -> None:
    """Delete a pod or a claim and wait until it is gone, so that its volume is free.

    Raises:
        OutOfReachError: it does not go.
    """
    await kube.delete(path)
    deadline = Deadline(_GONE_LIMIT_S)
    while not isinstance(await kube.find(path), Absent):
        if deadline.passed:
            hint = "See what holds it: kubectl describe. The next run takes it away."
            raise OutOfReachError("what was made to look into a volume does not go", where=path, hint=hint)
        await asyncio.sleep(_POLL_S)
