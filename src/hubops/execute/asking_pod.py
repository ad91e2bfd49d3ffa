"""A pod of a hub's image and configuration that is asked about everybody in a copy of its database."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy

from hubops import digest
from hubops.clients.kube import Json, Kube
from hubops.clients.questions import Questions
from hubops.execute.sent import sent_command
from hubops.execute.twin_objects import database_mounts, hub_container, take_claims
from hubops.execute.volume_pod import PORT, remove, wait_ready
from hubops.secret import Secret

_READY_LIMIT_S = 600  # its image may have to come first


@asynccontextmanager
async def open_asking(
    kube: Kube, place: tuple[str, str], hub: Json, told: str, title: str
) -> AsyncIterator[Questions]:
    """Make the pod at `place`, a namespace and a name, from the spec of a hub's pod; it goes at the end.

    The hub in it is `told` that it is in that namespace; messages call it `title`.

    Raises:
        ClusterError: it cannot run, with what Kubernetes says.
        OutOfReachError: it is not ready in time, or nobody can tell.
    """
    namespace, name = place
    token = Secret(secrets.token_urlsafe(32))
    command = sent_command("questions.server", "volume", "questions")
    sha256 = digest.of_bytes(token.reveal().encode())
    spec = asking_spec(hub, command, [str(PORT), sha256], told)
    path = f"/api/v1/namespaces/{namespace}/pods"
    await kube.create(path, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    try:
        await wait_ready(
            kube, f"{path}/{name}", f"{title} cannot be asked", f"pod {namespace}/{name}", _READY_LIMIT_S
        )
        yield Questions(kube, f"{path}/{name}:{PORT}/proxy", token, title)
    finally:
        await asyncio.shield(remove(kube, f"{path}/{name}"))


def asking_spec(hub: Json, command: list[str], arguments: list[str], namespace: str) -> Json:
    """The spec of a pod with the configuration and the image of a hub's pod, that runs a program instead.

    The program's arguments are the directory where the hub has its database, empty here, then `arguments`, then those
    of JupyterHub. The pod has no rights in the cluster, and is told that it is in `namespace`.
    """
    spec = deepcopy(hub)
    root = next((mount["mountPath"] for mount in database_mounts(spec)), "")
    for mount in database_mounts(spec):
        mount.pop("subPath", None)
    take_claims(spec)
    container = hub_container(spec)
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    _replace_program(container, command, [root, *arguments, *_jupyterhub_arguments(words)])
    for each in (*(spec.get("initContainers") or ()), container):
        each["env"] = [_told(variable, namespace) for variable in each.get("env") or ()]
    if not any(mount["mountPath"] == "/tmp" for mount in container.get("volumeMounts") or ()):  # noqa: S108 - in the hub's container
        spec["volumes"] = [*(spec.get("volumes") or ()), {"name": "hubops-tmp", "emptyDir": {}}]
        tmp = {"name": "hubops-tmp", "mountPath": "/tmp"}  # noqa: S108 - the pod's own
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), tmp]
    for key in ("serviceAccountName", "serviceAccount", "priorityClassName", "nodeName"):
        spec.pop(key, None)
    ends = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
    }
    return {**spec, **ends, "containers": [container]}


def _jupyterhub_arguments(words: list[str]) -> list[str]:
    """What JupyterHub is started with, behind its name."""
    return words[words.index("jupyterhub") + 1 :] if "jupyterhub" in words else []


def _replace_program(container: Json, command: list[str], arguments: list[str]) -> None:
    for key in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports"):
        container.pop(key, None)
    resources = container.get("resources") or {}
    container["resources"] = {**resources, "requests": {"cpu": "50m", "memory": "128Mi"}}
    container |= {"command": command, "args": arguments}


def _told(variable: Json, namespace: str) -> Json:
    field = ((variable.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath", "")
    return {"name": variable["name"], "value": namespace} if field == "metadata.namespace" else variable
