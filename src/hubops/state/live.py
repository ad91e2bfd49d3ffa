"""What runs in a hub's namespace."""

import base64

import yaml

from hubops.answer import Answer, Present
from hubops.clients.kube import Json, Kube
from hubops.desired.model import Values
from hubops.errors import ClusterError
from hubops.state.model import Live

_SERVER = "singleuser-server"
# The charts' name for it, with the key that the hub reads at its start.
_SECRET, _VALUES = "hub", "values.yaml"


async def read_live(kube: Kube, namespace: str) -> Live:
    """Count the pods of a namespace.

    Raises:
        OutOfReachError, ClusterError: they cannot be listed.
    """
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods")
    servers = [pod for pod in pods if pod["metadata"].get("labels", {}).get("component") == _SERVER]
    own = [pod for pod in pods if pod not in servers]
    return Live(len(own), sum(map(_is_ready, own)), len(servers))


async def read_hub_values(kube: Kube, namespace: str) -> Answer[Values]:
    """The values of JupyterHub's chart that the hub was given last, secret ones among them."""
    found = await kube.find(f"/api/v1/namespaces/{namespace}/secrets/{_SECRET}")
    if not isinstance(found, Present):
        return found
    text = base64.b64decode(found.value.get("data", {}).get(_VALUES, ""))
    values = yaml.load(text, Loader=yaml.CSafeLoader)
    return Present(values if isinstance(values, dict) else {})


async def read_logs(kube: Kube, namespace: str, lines: int) -> dict[str, str]:
    """The last log lines of each container of the hub's own pods, by pod/container.

    Raises:
        as `read_live`.
    """
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods", labels=f"component!={_SERVER}")
    return {
        f"{pod['metadata']['name']}/{container['name']}": await _logs(kube, pod, container["name"], lines)
        for pod in pods
        for container in pod["spec"]["containers"]
    }


async def _logs(kube: Kube, pod: Json, container: str, lines: int) -> str:
    """One that has not started has none, and the others' are looked for just then."""
    about = pod["metadata"]
    try:
        return await kube.logs(about["namespace"], about["name"], container, lines=lines)
    except ClusterError as error:
        return f"({error.why})"


def _is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
