"""The evaluator of NetworkPolicies, by what Kubernetes' documentation says of its own examples."""

from typing import Any

import pytest

from policies import Place, Policy, is_allowed

DB = Place("10.0.0.1", "default", {"role": "db"}, {"project": "mine"}, {"sql": 6379})
FRONTEND = Place("10.0.0.2", "default", {"role": "frontend"}, {"project": "mine"})
OTHER = Place("10.0.0.3", "default", {"role": "other"}, {"project": "mine"})
ELSEWHERE = Place("10.0.1.1", "elsewhere", {"role": "frontend"}, {"project": "myproject"})
STRANGER = Place("10.0.1.2", "strange", {"role": "frontend"}, {"project": "theirs"})
WORLD = Place("8.8.8.8")


def policy(spec: dict[str, Any], namespace: str = "default") -> Policy:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": spec}


def db_lets(*peers: dict[str, Any], **rule: Any) -> list[Policy]:
    ingress = [{"from": list(peers), **rule}] if peers or rule else []
    return [
        policy(
            {"podSelector": {"matchLabels": {"role": "db"}}, "policyTypes": ["Ingress"], "ingress": ingress}
        )
    ]


POD: dict[str, Any] = {"podSelector": {"matchLabels": {"role": "frontend"}}}
NAMESPACE: dict[str, Any] = {"namespaceSelector": {"matchLabels": {"project": "myproject"}}}
EVERYBODY: dict[str, Any] = {"namespaceSelector": {}}
BLOCK: dict[str, Any] = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]}}
CASES: dict[str, tuple[list[Policy], Place, Place, int, bool]] = {
    "no policy": ([], WORLD, DB, 1, True),
    "a policy of another namespace": ([policy({"podSelector": {}, "policyTypes": ["Ingress"]}, "x")], OTHER, DB, 1, True),
    "deny all that comes in": ([policy({"podSelector": {}, "policyTypes": ["Ingress"]})], OTHER, DB, 1, False),
    "which says nothing of what goes out": ([policy({"podSelector": {}, "policyTypes": ["Ingress"]})], DB, WORLD, 1, True),
    "deny all that goes out": ([policy({"podSelector": {}, "policyTypes": ["Egress"]})], DB, WORLD, 1, False),
    "without types, rules for what comes in": ([policy({"podSelector": {}, "ingress": []})], OTHER, DB, 1, False),
    "and none for what goes out": ([policy({"podSelector": {}, "ingress": []})], DB, WORLD, 1, True),
    "but where it has some": ([policy({"podSelector": {}, "egress": [{"ports": [{"port": 5}]}]})], DB, WORLD, 1, False),
    "a selected pod here": (db_lets(POD), FRONTEND, DB, 1, True),
    "another pod": (db_lets(POD), OTHER, DB, 1, False),
    "a pod of that kind in another namespace": (db_lets(POD), ELSEWHERE, DB, 1, False),
    "a selected namespace": (db_lets(NAMESPACE), ELSEWHERE, DB, 1, True),
    "another namespace": (db_lets(NAMESPACE), STRANGER, DB, 1, False),
    "this namespace is not in it": (db_lets(NAMESPACE), FRONTEND, DB, 1, False),
    "both in one peer are both required": (db_lets(POD | NAMESPACE), ELSEWHERE, DB, 1, True),
    "and one does not do": (db_lets(POD | NAMESPACE), FRONTEND, DB, 1, False),
    "both as two peers are either": (db_lets(POD, NAMESPACE), FRONTEND, DB, 1, True),
    "every namespace, but no address outside": (db_lets(EVERYBODY), WORLD, DB, 1, False),
    "every namespace": (db_lets(EVERYBODY), STRANGER, DB, 1, True),
    "a block": (db_lets(BLOCK), OTHER, DB, 1, True),
    "outside of the block": (db_lets(BLOCK), WORLD, DB, 1, False),
    "a hole in the block": (db_lets(BLOCK), STRANGER, DB, 1, False),
    "a block of IPv6 has no IPv4": (db_lets({"ipBlock": {"cidr": "::/0"}}), WORLD, DB, 1, False),
    "a port": (db_lets(ports=[{"port": 6379}]), WORLD, DB, 6379, True),
    "another port": (db_lets(ports=[{"port": 6379}]), WORLD, DB, 6380, False),
    "of another protocol": (db_lets(ports=[{"port": 6379, "protocol": "UDP"}]), WORLD, DB, 6379, False),
    "a range of ports": (db_lets(ports=[{"port": 6000, "endPort": 7000}]), WORLD, DB, 6379, True),
    "beyond the range": (db_lets(ports=[{"port": 6000, "endPort": 7000}]), WORLD, DB, 7001, False),
    "a port by its name": (db_lets(ports=[{"port": "sql"}]), WORLD, DB, 6379, True),
    "a name that the pod has not": (db_lets(ports=[{"port": "web"}]), WORLD, DB, 6379, False),
    "every port of a protocol": (db_lets(ports=[{"protocol": "TCP"}]), WORLD, DB, 9, True),
    "an empty rule lets in all": (db_lets(ports=[]), WORLD, DB, 9, True),
    "policies add up": ([*db_lets(), *db_lets(POD)], FRONTEND, DB, 1, True),
    "both ends must agree": (
        [*db_lets(POD), policy({"podSelector": {}, "policyTypes": ["Egress"]})], FRONTEND, DB, 1, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("policies", "sender", "receiver", "port", "expected"), CASES.values(), ids=CASES)
def test_known_cases(
    policies: list[Policy], sender: Place, receiver: Place, port: int, *, expected: bool
) -> None:
    assert is_allowed(policies, sender, receiver, port) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "role", "operator": "In", "values": ["frontend", "x"]}, True),
        ({"key": "role", "operator": "In", "values": ["x"]}, False),
        ({"key": "role", "operator": "NotIn", "values": ["x"]}, True),
        ({"key": "other", "operator": "NotIn", "values": ["x"]}, True),
        ({"key": "role", "operator": "Exists"}, True),
        ({"key": "role", "operator": "DoesNotExist"}, False),
    ],
)
def test_expressions(expression: dict[str, Any], *, expected: bool) -> None:
    assert (
        is_allowed(db_lets({"podSelector": {"matchExpressions": [expression]}}), FRONTEND, DB, 1) is expected
    )


def test_an_expression_that_is_none() -> None:
    with pytest.raises(ValueError, match="there is no operator Near"):
        is_allowed(
            db_lets({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}), OTHER, DB, 1
        )


def test_udp() -> None:
    assert is_allowed(db_lets(ports=[{"port": 53, "protocol": "UDP"}]), OTHER, DB, 53, "UDP")
