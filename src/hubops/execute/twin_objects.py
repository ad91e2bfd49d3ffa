"""What of a rendered chart a hub's twin is made of: itself and its proxy, and nothing that leads to it from outside."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy

from hubops.clients.kube import Json

CLAIM = "hub-db-dir"
HUB, PROXY = "hub", "proxy"
_APPS, _RBAC = "apis/apps/v1", "apis/rbac.authorization.k8s.io/v1"
# The kinds that it is made of, in the order in which they are made. What is not here is left out: addresses (Ingress,
# HTTPRoute), what belongs to the whole cluster, what helm runs before or after, and everybody else's pods.
PLACES = {
    "Secret": "api/v1/namespaces/{}/secrets",
    "ConfigMap": "api/v1/namespaces/{}/configmaps",
    "ServiceAccount": "api/v1/namespaces/{}/serviceaccounts",
    "Role": f"{_RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{_RBAC}/namespaces/{{}}/rolebindings",
    "Service": "api/v1/namespaces/{}/services",
    "PersistentVolumeClaim": "api/v1/namespaces/{}/persistentvolumeclaims",
    "Deployment": f"{_APPS}/namespaces/{{}}/deployments",
}
_HOOK = "helm.sh/hook"
# Of a Service: what makes clouds and DNS publish it.
_PUBLIC = ("loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges", "externalIPs", "externalName")


def twin_objects(rendered: Iterable[Json], namespace: str) -> list[Json]:
    """The objects of the twin in this namespace, of all that helm rendered for it."""
    found = [_tamed(item) for item in rendered if _is_of_twin(item, namespace)]
    order = list(PLACES)
    return sorted(found, key=lambda item: order.index(item["kind"]))


def _is_of_twin(item: Json, namespace: str) -> bool:
    name, kind = item["metadata"]["name"], item["kind"]
    names = {"Deployment": {HUB, PROXY}, "PersistentVolumeClaim": {CLAIM}}.get(kind, {name})
    here = item["metadata"].get("namespace", namespace) == namespace
    return (
        kind in PLACES and name in names and here and _HOOK not in (item["metadata"].get("annotations") or {})
    )


def _tamed(item: Json) -> Json:
    tamed, spec = deepcopy(item), item.get("spec") or {}
    match item["kind"]:
        case "Service":
            ports = [{k: v for k, v in port.items() if k != "nodePort"} for port in spec["ports"]]
            kept = {k: v for k, v in spec.items() if k not in _PUBLIC}
            tamed["spec"] = {**kept, "type": "ClusterIP", "ports": ports}
            tamed["metadata"].pop("annotations", None)
        case "Deployment":
            tamed["spec"]["replicas"] = 1
            pod = tamed["spec"]["template"]["spec"]
            # A namespace that goes waits for the longest of these, half of it at least.
            pod["terminationGracePeriodSeconds"] = 1
            pod.pop("priorityClassName", None)
            take_claims(pod, but=CLAIM)
            for mount in database_mounts(pod):
                mount.pop("subPath", None)
    return tamed


def take_claims(pod: Json, but: str = "") -> None:
    """Let a pod have empty directories for the claims that it would mount, `but` for one: they are elsewhere."""
    for volume in pod.get("volumes") or ():
        claim = volume.get("persistentVolumeClaim")
        if claim and claim["claimName"] != but:
            del volume["persistentVolumeClaim"]
            volume["emptyDir"] = {}


def database_mounts(pod: Json) -> list[Json]:
    """Where the hub's container of a pod's spec mounts the database's claim."""
    volumes = {
        volume["name"]
        for volume in pod.get("volumes") or ()
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == CLAIM
    }
    mounts = hub_container(pod).get("volumeMounts") or ()
    return [mount for mount in mounts if mount["name"] in volumes]


def hub_container(pod: Json) -> Json:
    """The hub's container in the spec of its pod."""
    containers = pod["containers"]
    found: Json = next((each for each in containers if each["name"] == HUB), containers[0])
    return found


def references(pod: Json) -> set[tuple[str, str]]:
    """Kind and name of each Secret and ConfigMap that a pod's spec refers to."""
    return {(kind, holder[key]) for kind, holder, key in _references(pod) if holder.get(key)}


def rename_references(pod: Json, renamed: Callable[[str], str]) -> None:
    """Let a pod's spec refer to others."""
    for _, holder, key in list(_references(pod)):
        if holder.get(key):
            holder[key] = renamed(holder[key])


def _references(pod: Json) -> Iterator[tuple[str, Json, str]]:
    """The kind, and where the name stands."""
    for secret in pod.get("imagePullSecrets") or ():
        yield "Secret", secret, "name"
    for volume in pod.get("volumes") or ():
        yield from _of_volume(volume, "secretName")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _of_volume(source, "name")
    for container in (*(pod.get("initContainers") or ()), *pod["containers"]):
        for source in container.get("envFrom") or ():
            yield from _of_keys(source, "secretRef", "configMapRef")
        for variable in container.get("env") or ():
            yield from _of_keys(variable.get("valueFrom") or {}, "secretKeyRef", "configMapKeyRef")


def _of_volume(volume: Json, secret_key: str) -> Iterator[tuple[str, Json, str]]:
    if "secret" in volume:
        yield "Secret", volume["secret"], secret_key
    if "configMap" in volume:
        yield "ConfigMap", volume["configMap"], "name"


def _of_keys(holder: Json, secret: str, config_map: str) -> Iterator[tuple[str, Json, str]]:
    if secret in holder:
        yield "Secret", holder[secret], "name"
    if config_map in holder:
        yield "ConfigMap", holder[config_map], "name"
