"""A hub's volumes: which claims it has, whose they are, and where they are mounted."""

import base64
from typing import Any

import yaml

from hubops.answer import Absent, Present
from hubops.clients.kube import Json, Kube
from hubops.desired.model import Hub
from hubops.errors import OutOfReachError, RefusedError
from hubops.state.archive_model import Claim, HubPod, Kind, Owner, Volumes

# Both charts call them so.
_HUB = "hub"
_DATABASE = "hub-db-dir"
_HOMES = "singleuser-storage"
_PERSON = "hub.jupyter.org/username"
# What a pod of user servers has when the hub's values do not say (values.yaml of both charts).
_UID, _FS_GID = 1000, 100
_ENDED = {"Succeeded", "Failed"}


async def read_volumes(kube: Kube, hub: Hub, *, without: str) -> Volumes:
    """What a deployed hub has, but for the home of the person `without`: the probe.

    Raises:
        RefusedError: the hub is not deployed, so there is no image to look into its volumes with.
        OutOfReachError, ClusterError: nobody can tell.
    """
    deployment = await read_deployment(kube, hub)
    database, homes = _hub_owner(deployment), await _user_owner(kube, hub)
    claims = await read_claims(kube, hub.namespace, database, homes)
    spec = deployment["spec"]["template"]["spec"]
    secrets = tuple(each["name"] for each in spec.get("imagePullSecrets") or ())
    return Volumes(
        tuple(claim for claim in claims if claim.person != without),
        HubPod(_container(deployment)["image"], secrets),
        deployment["spec"].get("replicas", 1),
        database,
        homes,
    )


async def read_claims(kube: Kube, namespace: str, database: Owner, homes: Owner) -> tuple[Claim, ...]:
    """The database, then the homes; what else is in the namespace is none of the hub's.

    Raises:
        OutOfReachError, ClusterError: nobody can tell.
    """
    items, _ = await kube.list(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")
    nodes = await _nodes(kube, namespace)
    found = [_claim(item, database, homes, nodes.get(item["metadata"]["name"], "")) for item in items]
    return tuple(sorted(filter(None, found), key=lambda claim: (claim.kind.value, claim.name)))


async def read_deployment(kube: Kube, hub: Hub) -> Json:
    """The hub's Deployment.

    Raises:
        RefusedError: it is not deployed.
        OutOfReachError: nobody can tell.
    """
    found = await kube.find(f"/apis/apps/v1/namespaces/{hub.namespace}/deployments/{_HUB}")
    if isinstance(found, Present):
        return found.value
    where = f"deployment {hub.namespace}/{_HUB}"
    if isinstance(found, Absent):
        raise RefusedError(
            f"{hub.name} is not deployed",
            where=where,
            why="its volumes are read and written by a pod of the hub's own image",
            hint=f"Deploy it first: hubops deploy {hub.name}",
        )
    raise OutOfReachError(f"nobody can tell whether {hub.name} is deployed", where=where, why=found.reason)


def _container(deployment: Json) -> Json:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    container: Json = next((each for each in containers if each["name"] == _HUB), containers[0])
    return container


def _hub_owner(deployment: Json) -> Owner:
    pod = deployment["spec"]["template"]["spec"].get("securityContext") or {}
    own = {**pod, **(_container(deployment).get("securityContext") or {})}
    uid = int(own.get("runAsUser", _UID))
    return Owner(uid, int(own.get("runAsGroup", uid)), int(pod.get("fsGroup", uid)))


async def _user_owner(kube: Kube, hub: Hub) -> Owner:
    """Whose homes are, by the values that the running hub has."""
    secret = await kube.request("GET", f"/api/v1/namespaces/{hub.namespace}/secrets/{_HUB}")
    packed = (secret.get("data") or {}).get("values.yaml", "")
    values = yaml.load(base64.b64decode(packed), yaml.CSafeLoader) or {}
    user: dict[str, Any] = values.get("singleuser") or {}
    uid, group = int(user.get("uid") or _UID), int(user.get("fsGid") or _FS_GID)
    return Owner(uid, group, group)


async def _nodes(kube: Kube, namespace: str) -> dict[str, str]:
    """By claim, where a pod mounts it; "?" for one that has no node yet."""
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods")
    return {
        volume["persistentVolumeClaim"]["claimName"]: pod["spec"].get("nodeName") or "?"
        for pod in pods
        if pod.get("status", {}).get("phase") not in _ENDED
        for volume in pod["spec"].get("volumes") or ()
        if "persistentVolumeClaim" in volume
    }


def _claim(item: Json, database: Owner, homes: Owner, node: str) -> Claim | None:
    """None for one that is neither the database nor a person's home."""
    about, spec = item["metadata"], item["spec"]
    labels, annotations = about.get("labels") or {}, about.get("annotations") or {}
    person = annotations.get(_PERSON) or labels.get(_PERSON, "")
    is_home = labels.get("component") == _HOMES
    if about["name"] != _DATABASE and not is_home:
        return None
    return Claim(
        name=about["name"],
        uid=about["uid"],
        kind=Kind.HOME if is_home else Kind.DATABASE,
        person=person,
        storage_class=spec.get("storageClassName", ""),
        size=spec["resources"]["requests"]["storage"],
        access_modes=tuple(spec["accessModes"]),
        labels=labels,
        annotations=annotations,
        owner=homes if is_home else database,
        node=node,
        bound=item["status"].get("phase") == "Bound",
    )
