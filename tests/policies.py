"""Who may connect to whom by NetworkPolicies, as Kubernetes defines them.

A connection is allowed where the sender's policies let it out and the receiver's let it in. A pod that no policy selects
for a direction is open in that direction. Addresses outside of the cluster have no policies.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """A pod, with its namespace; or what has an address only (`namespace` "")."""

    address: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)


def is_allowed(
    policies: Iterable[Policy], sender: Place, receiver: Place, port: int, protocol: str = "TCP"
) -> bool:
    """Whether the sender may open a connection to a port of the receiver."""
    policies = list(policies)
    return all(
        _lets(policies, direction, at, other, receiver, port, protocol)
        for direction, at, other in (("Egress", sender, receiver), ("Ingress", receiver, sender))
    )


def _lets(  # noqa: PLR0917 - both ends, and what is asked of them
    policies: list[Policy],
    direction: str,
    at: Place,
    other: Place,
    receiver: Place,
    port: int,
    protocol: str,
) -> bool:
    """Whether the policies of one end let the connection pass in one direction."""
    chosen = [
        policy for policy in policies if direction in _directions(policy["spec"]) and _selects(policy, at)
    ]
    rules = [rule for policy in chosen for rule in policy["spec"].get(direction.lower()) or ()]
    peers = "to" if direction == "Egress" else "from"
    return not chosen or any(
        _has_port(rule.get("ports"), receiver, port, protocol)
        and _has_peer(rule.get(peers), other, at.namespace)
        for rule in rules
    )


def _directions(spec: Policy) -> list[str]:
    found: list[str] = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return found


def _selects(policy: Policy, pod: Place) -> bool:
    namespace = policy["metadata"]["namespace"]
    return pod.namespace == namespace and _fits(policy["spec"]["podSelector"], pod.labels)


def _has_port(ports: Any, receiver: Place, port: int, protocol: str) -> bool:
    """Rules without ports are for all of them; a name is that of a port of the receiver's."""
    if not ports:
        return True
    return any(each.get("protocol", "TCP") == protocol and _is_port(each, receiver, port) for each in ports)


def _is_port(wanted: Mapping[str, Any], receiver: Place, port: int) -> bool:
    named = wanted.get("port")
    if named is None:
        return True
    first = receiver.ports.get(named) if isinstance(named, str) else named
    return first is not None and first <= port <= wanted.get("endPort", first)


def _has_peer(peers: Any, other: Place, namespace: str) -> bool:
    return not peers or any(_is_peer(peer, other, namespace) for peer in peers)


def _is_peer(peer: Mapping[str, Any], other: Place, namespace: str) -> bool:
    if block := peer.get("ipBlock"):
        return _within(other.address, block["cidr"]) and not any(
            _within(other.address, hole) for hole in block.get("except") or ()
        )
    if not other.namespace:
        return False
    selector = peer.get("namespaceSelector")
    here = other.namespace == namespace if selector is None else _fits(selector, other.namespace_labels)
    return here and _fits(peer.get("podSelector") or {}, other.labels)


def _within(address: str, cidr: str) -> bool:
    found, network = ip_address(address), ip_network(cidr)
    return found.version == network.version and found in network


def _fits(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """An empty selector fits everything."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"there is no operator {expression['operator']}")
