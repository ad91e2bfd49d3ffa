"""What a person's server would mount, by the pod that the spawner asks for."""

import asyncio
import json
import os
from typing import Any

from .cluster import Cluster

Json = dict[str, Any]
_NAMESPACE = "POD_NAMESPACE"  # by this both charts tell the hub where it is
_LIMIT_S = 60  # of one start, which waits for nothing
# Volumes that come and go with a pod, or are given to it.
_PASSING = {"configMap", "secret", "emptyDir", "projected", "downwardAPI", "ephemeral", "image"}


async def mounts(spawner: Any, cluster: Cluster) -> Json:
    """What the person's server would mount: `volumes` of [volume, path in it, path in the server]; or the `error`."""
    error = await _try(spawner, cluster)
    if not cluster.pods and spawner.user_options:
        # What was chosen last may not be offered any more; then the person is asked again.
        spawner.user_options = {}
        error = await _try(spawner, cluster)
    return {"volumes": _volumes(*cluster.pods[-1])} if cluster.pods else {"error": error}


async def _try(spawner: Any, cluster: Cluster) -> str:
    from jupyterhub.utils import maybe_future

    cluster.pods.clear()
    try:
        await asyncio.wait_for(maybe_future(spawner.start()), _LIMIT_S)
    except Exception as error:  # noqa: BLE001 - at the latest that the pod was not made
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    return "it asks for no pod"


def _volumes(namespace: str, pod: Json) -> list[list[str]]:
    space, spec = "" if namespace == os.environ[_NAMESPACE] else f"{namespace}/", pod["spec"]
    sources = {each["name"]: _source(each, space) for each in spec.get("volumes") or ()}
    return sorted(
        [sources[mount["name"]], mount.get("subPath") or mount.get("subPathExpr") or "", mount["mountPath"]]
        for container in spec["containers"]
        for mount in container.get("volumeMounts") or ()
        if sources.get(mount["name"])
    )


def _source(volume: Json, space: str) -> str:
    """What tells a volume from others: a claim's name, or all that is said of it; "" for one that is not kept.

    `space` stands before a claim that is not in the hub's namespace.
    """
    [(kind, about)] = [(key, value) for key, value in volume.items() if key != "name"] or [("emptyDir", {})]
    if kind == "persistentVolumeClaim":
        return f"{space}{about['claimName']}"
    return "" if kind in _PASSING else f"{kind} {json.dumps(about, sort_keys=True)}"
