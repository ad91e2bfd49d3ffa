"""Who may connect to whom in and around a hub of the embedded chart, by the policies that it renders."""

from functools import cache
from typing import Any

import pytest

from charts import JUPYTERHUB, Objects, Values, merged, nested, render, required_values, settings_of
from policies import Place, Policy, is_allowed

NAMESPACE = {"kubernetes.io/metadata.name": "earth-ns"}
ACCESS = "hub.jupyter.org/network-access"


@cache
def rendered(changes: str = "") -> Objects:
    return render(JUPYTERHUB, merged(required_values(), CHANGES[changes]))


def pod(objects: Objects, name: str, address: str) -> Place:
    """A pod as its Deployment makes it."""
    template = objects["Deployment", name]["spec"]["template"]
    ports = {each["name"]: each["containerPort"] for each in template["spec"]["containers"][0]["ports"]}
    return Place(address, "earth-ns", template["metadata"]["labels"], NAMESPACE, ports)


def server(objects: Objects, person: str, address: str) -> Place:
    """A person's server, with the labels that KubeSpawner gives it: its own, and those of the chart."""
    spawner = settings_of(objects)["KubeSpawner"]
    own = {"component": "singleuser-server", "hub.jupyter.org/username": person}
    labels = {**own, **spawner["common_labels"], **spawner["extra_labels"]}
    return Place(address, "earth-ns", labels, NAMESPACE, {"notebook-port": 8888})


def places(objects: Objects) -> dict[str, Place]:
    hub, proxy = pod(objects, "hub", "10.1.0.2"), pod(objects, "proxy", "10.1.0.3")
    other = {"kubernetes.io/metadata.name": "sky-ns"}
    monitoring = {"kubernetes.io/metadata.name": "monitoring", f"{ACCESS}-hub": "true"}
    mine = {**NAMESPACE}
    return {
        "hub": hub,
        "proxy": proxy,
        "ada": server(objects, "ada", "10.1.0.4"),
        "kay": server(objects, "kay", "10.1.0.5"),
        "edge": Place("10.1.0.6", "edge", {"app": "edge"}, {"kubernetes.io/metadata.name": "edge"}),
        "prometheus": Place("10.1.0.7", "monitoring", {"app": "prometheus"}, monitoring),
        "labelled": Place("10.1.0.8", "earth-ns", {f"{ACCESS}-hub": "true"}, mine),
        "pod here": Place("10.1.0.9", "earth-ns", {"app": "announcer"}, mine),
        "dns": Place("10.1.0.10", "kube-system", {"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"}),
        "node-local dns": Place("169.254.20.10"),
        "api server": Place("10.96.0.1"),
        "node": Place("192.168.1.10"),
        "database": Place("172.16.3.4"),
        "metadata": Place("169.254.169.254"),
        "metadata of containers": Place("169.254.170.2"),
        "metadata elsewhere": Place("100.100.100.200"),
        "metadata by IPv6": Place("fd00:ec2::254"),
        "internet": Place("93.184.216.34"),
        "internet by IPv6": Place("2606:2800:220:1::1"),
        "neighbour by IPv6": Place("fe80::1"),
        "another hub": Place("10.2.0.2", "sky-ns", hub.labels, other, hub.ports),
        "another proxy": Place("10.2.0.3", "sky-ns", proxy.labels, other, proxy.ports),
        "another's server": Place("10.2.0.4", "sky-ns", {"component": "singleuser-server"}, other),
    }  # fmt: skip


CHANGES: dict[str, Values] = {
    "": {},
    "monitored": nested("hub.networkPolicy.interNamespaceAccessLabels", "accept"),
    "database for notebooks": nested(
        "singleuser.networkPolicy.egress",
        [{"to": [{"ipBlock": {"cidr": "172.16.3.4/32"}}], "ports": [{"port": 5432}]}],
    ),
    "announcer lets in": nested(
        "hub.networkPolicy.ingress",
        [{"from": [{"podSelector": {"matchLabels": {"app": "announcer"}}}], "ports": [{"port": "http"}]}],
    ),
    "hub for everybody": nested("hub.networkPolicy.allowedIngressPorts", [8081]),
    "no internet": nested("singleuser.networkPolicy.egressAllowRules.nonPrivateIPs", value=False),
    "no policy for servers": nested("singleuser.networkPolicy.enabled", value=False),
    "metadata in a private range": {
        "singleuser": {
            "cloudMetadata": {"ip": "100.100.100.200"},
            "networkPolicy": {"egressAllowRules": {"privateIPs": True}},
        }
    },
    "another metadata address": nested("singleuser.cloudMetadata.ip", "100.200.1.1"),
    "no DNS at private addresses": nested("singleuser.networkPolicy.egressAllowRules.dnsPortsPrivateIPs", value=False),
    "servers without access": {"singleuser": {"extraLabels": {f"{ACCESS}-hub": "false"}}},
}  # fmt: skip

YES, NO = True, False
# With what values, from where, to where, port: whether it is allowed.
TABLE = [
    # people
    ("", "internet", "proxy", 8000, YES),
    ("", "edge", "proxy", 8000, YES),
    ("", "another's server", "proxy", 8000, YES),
    ("", "internet", "proxy", 8001, NO),
    ("", "edge", "proxy", 8001, NO),
    # hub and proxy
    ("", "hub", "proxy", 8001, YES),
    ("", "hub", "proxy", 8000, YES),
    ("", "hub", "ada", 8888, YES),
    ("", "proxy", "hub", 8081, YES),
    ("", "proxy", "ada", 8888, YES),
    ("", "hub", "api server", 443, YES),
    ("", "hub", "internet", 443, YES),
    ("", "hub", "database", 5432, YES),
    ("", "hub", "metadata", 80, YES),
    ("", "hub", "metadata of containers", 80, YES),
    ("", "proxy", "metadata", 80, NO),
    ("", "proxy", "metadata of containers", 80, NO),
    ("", "proxy", "metadata by IPv6", 80, NO),
    ("metadata in a private range", "hub", "metadata elsewhere", 80, YES),
    ("metadata in a private range", "proxy", "metadata elsewhere", 80, NO),
    ("metadata in a private range", "proxy", "pod here", 8080, YES),
    ("metadata in a private range", "ada", "metadata elsewhere", 80, NO),
    ("metadata in a private range", "ada", "metadata by IPv6", 80, NO),
    ("metadata in a private range", "ada", "database", 5432, YES),
    ("", "proxy", "pod here", 8080, YES),
    # user servers reach what they are for
    ("", "ada", "hub", 8081, YES),
    ("", "ada", "proxy", 8000, YES),
    ("", "ada", "dns", 53, YES),
    ("", "ada", "node-local dns", 53, YES),
    ("", "ada", "internet", 443, YES),
    ("", "ada", "internet by IPv6", 443, YES),
    # and nothing else
    ("", "ada", "proxy", 8001, NO),
    ("", "ada", "hub", 22, NO),
    ("", "ada", "kay", 8888, NO),
    ("", "ada", "kay", 22, NO),
    ("", "kay", "ada", 53, NO),
    ("", "ada", "api server", 443, NO),
    ("", "ada", "api server", 6443, NO),
    ("", "ada", "node", 10250, NO),
    ("", "ada", "database", 5432, NO),
    ("", "ada", "metadata", 80, NO),
    ("", "ada", "metadata of containers", 80, NO),
    ("", "ada", "metadata elsewhere", 80, NO),
    ("", "ada", "metadata by IPv6", 80, NO),
    ("", "ada", "neighbour by IPv6", 22, NO),
    ("", "ada", "pod here", 8080, NO),
    ("", "ada", "dns", 9153, NO),
    ("", "ada", "another hub", 8081, NO),
    ("", "ada", "another proxy", 8000, NO),
    ("", "ada", "another proxy", 8001, NO),
    ("", "ada", "another's server", 8888, NO),
    ("", "another's server", "ada", 8888, NO),
    ("", "another's server", "hub", 8081, NO),
    ("", "another hub", "ada", 8888, NO),
    ("", "another hub", "proxy", 8001, NO),
    ("", "another proxy", "hub", 8081, NO),
    # others
    ("", "labelled", "hub", 8081, YES),
    ("", "pod here", "hub", 8081, NO),
    ("", "prometheus", "hub", 8081, NO),
    ("", "internet", "hub", 8081, NO),
    ("", "internet", "ada", 8888, NO),
    # what an operator may change
    ("monitored", "prometheus", "hub", 8081, YES),
    ("monitored", "another's server", "hub", 8081, NO),
    ("database for notebooks", "ada", "database", 5432, YES),
    ("database for notebooks", "ada", "database", 22, NO),
    ("announcer lets in", "pod here", "hub", 8081, YES),
    ("hub for everybody", "prometheus", "hub", 8081, YES),
    ("no internet", "ada", "internet", 443, NO),
    ("no internet", "ada", "internet by IPv6", 443, NO),
    ("no internet", "ada", "hub", 8081, YES),
    ("no policy for servers", "ada", "node", 10250, YES),
    ("no policy for servers", "ada", "proxy", 8001, NO),
    ("another metadata address", "ada", "metadata", 80, NO),
    ("no DNS at private addresses", "ada", "node-local dns", 53, NO),
    ("no DNS at private addresses", "ada", "dns", 53, YES),
    ("servers without access", "ada", "hub", 8081, NO),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "sender", "receiver", "port", "expected"),
    TABLE,
    ids=[f"{a}: {b} to {c} {d}" for a, b, c, d, _ in TABLE],
)
def test_who_may_connect_to_whom(
    changes: str, sender: str, receiver: str, port: int, *, expected: bool
) -> None:
    objects = rendered(changes)
    found = places(objects)
    protocol = "UDP" if port == 53 else "TCP"
    assert is_allowed(policies(objects), found[sender], found[receiver], port, protocol) is expected


def policies(objects: Objects) -> list[Policy]:
    """Those of the release, in its namespace, where helm puts them."""
    found = [item for (kind, _), item in objects.items() if kind == "NetworkPolicy"]
    return [{**item, "metadata": {**item["metadata"], "namespace": "earth-ns"}} for item in found]


def test_the_other_metadata_address_is_closed_too() -> None:
    objects = rendered("another metadata address")
    other = Place("100.200.1.1")
    assert not is_allowed(policies(objects), places(objects)["ada"], other, 80)


def test_every_pod_of_the_hub_has_a_policy_for_both_directions() -> None:
    objects = rendered()
    found = {
        name: item["spec"]["policyTypes"] for (kind, name), item in objects.items() if kind == "NetworkPolicy"
    }
    assert found == {name: ["Ingress", "Egress"] for name in ("hub", "proxy", "singleuser")}


def test_the_table_names_every_place_and_every_change() -> None:
    used: set[Any] = {name for row in TABLE for name in row[1:3]}
    assert used == set(places(rendered()))
    assert {row[0] for row in TABLE} == set(CHANGES)
