"""Who reaches whom on the tests' cluster, and who should, by the policies that it has."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cluster.conftest import Cluster
from hubops.local.up import Local
from policies import Place, Policy

# A network behind the node, as the internet and a private one are: an address of documentation (RFC 5737), of
# the metadata service, of a machine nearby. Nothing listens there: a refusal that comes back says that it was reached.
OUTSIDE = {"internet": "203.0.113.7", "metadata": "169.254.169.254", "machine nearby": "192.168.213.7"}
_GATEWAY = "203.0.113.1"
_KNOCK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def reached(place):
    try:
        socket.create_connection(place, timeout=3).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True

places = [tuple(each) for each in json.load(sys.stdin)]
with ThreadPoolExecutor(len(places)) as pool:
    print(json.dumps(list(pool.map(reached, places))))
"""


@dataclass(frozen=True)
class Pod:
    namespace: str
    name: str


async def look(cluster: Cluster, pods: Mapping[str, Pod]) -> dict[str, Place]:
    """What the table's places are on the cluster: these pods, the cluster's own, and those outside."""
    labels = {
        each["metadata"]["name"]: each["metadata"]["labels"] for each in await _list(cluster, "namespaces")
    }
    found = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): each
        for each in await _list(cluster, "pods")
    }
    dns = next(
        pod for pod in found.values() if pod["metadata"].get("labels", {}).get("k8s-app") == "kube-dns"
    )
    models = {name: found[pod.namespace, pod.name] for name, pod in pods.items()} | {"dns": dns}
    node = (await _list(cluster, "nodes"))[0]["status"]["addresses"]
    service = json.loads(await cluster.run("get", "service", "kubernetes", "-o", "json"))
    return {
        **{name: _place(pod, labels) for name, pod in models.items()},
        **{name: Place(address) for name, address in OUTSIDE.items()},
        "node": Place(next(each["address"] for each in node if each["type"] == "InternalIP")),
        "api server": Place(service["spec"]["clusterIP"]),
    }


async def list_policies(cluster: Cluster) -> list[Policy]:
    return await _list(cluster, "networkpolicies")


async def knock(cluster: Cluster, sender: Pod, receivers: list[tuple[str, int]]) -> list[bool]:
    """Whether each address and port answers the pod, if only by a refusal."""
    words = ("-n", sender.namespace, "exec", "-i", sender.name, "--", "python3", "-c", _KNOCK)
    answered: list[bool] = json.loads(await cluster.run(*words, stdin=json.dumps(receivers)))
    return answered


@asynccontextmanager
async def outside(local: Local) -> AsyncIterator[None]:
    """The network behind the node, in a network namespace of its own there."""

    async def on_node(command: str) -> None:
        await local.docker("exec", local.instance.node, "sh", "-ec", command)

    await on_node("ip netns del outside 2>/dev/null || true; ip netns add outside")
    try:
        inside = "ip -n outside"
        addresses = "; ".join(f"{inside} addr add {each}/32 dev lo" for each in OUTSIDE.values())
        routes = "; ".join(f"ip route add {each}/32 via 203.0.113.2" for each in OUTSIDE.values())
        await on_node(
            f"ip link add outside type veth peer name node netns outside; ip addr add {_GATEWAY}/30 dev outside;"
            f" ip link set outside up; {inside} addr add 203.0.113.2/30 dev node; {inside} link set node up;"
            f" {inside} link set lo up; {inside} route add default via {_GATEWAY}; {addresses}; {routes}"
        )
        yield
    finally:
        await on_node("ip netns del outside")  # takes the link and its routes along


async def _list(cluster: Cluster, kind: str) -> list[Any]:
    items: list[Any] = json.loads(await cluster.run("get", kind, "-A", "-o", "json"))["items"]
    return items


def _place(pod: Mapping[str, Any], labels: Mapping[str, Mapping[str, str]]) -> Place:
    about, ports = pod["metadata"], pod["spec"]["containers"][0].get("ports", ())
    return Place(
        pod["status"]["podIP"],
        about["namespace"],
        about["labels"],
        labels[about["namespace"]],
        {each["name"]: each["containerPort"] for each in ports if "name" in each},
    )
