"""The rights that the setup check asks for, answered by a real API server for an account that has few."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from cluster.conftest import Cluster, Fleet
from hubops.checks.rights import OWN_NAMESPACE, Thing, check_rights
from hubops.clients.kube import Kube, connect
from hubops.errors import RefusedError

GROUPS = ["", "apps", "coordination.k8s.io", "rbac.authorization.k8s.io"]
RBAC = "rbac.authorization.k8s.io"


def role(name: str, groups: list[str], *resources: str) -> dict[str, object]:
    rules = [{"apiGroups": groups, "resources": [*resources], "verbs": ["*"]}]
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


def binding(role_name: str, account: str, namespace: str = "") -> dict[str, object]:
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    metadata = {"name": role_name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role_name},
        "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": account}],
    }


async def apply(cluster: Cluster, *items: dict[str, object]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    await cluster.run("apply", "-f", "-", stdin=text)


@pytest.fixture
async def account(fleet: Fleet, cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[Kube]:
    """An account with all rights on some groups of the API, in a namespace and in that of hubops; nowhere else."""
    assert fleet.hubs, "so that the namespace of hubops is there"
    names = {"some": f"{namespace}-some", "all": f"{namespace}-all", "namespaces": f"{namespace}-namespaces"}
    await cluster.run("create", "serviceaccount", "deployer", "-n", namespace)
    await apply(
        cluster,
        role(names["some"], GROUPS, "*"),
        role(names["all"], ["networking.k8s.io"], "networkpolicies"),
        role(names["namespaces"], [""], "namespaces"),
        binding(names["some"], namespace, namespace),
        binding(names["some"], namespace, OWN_NAMESPACE),
    )
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = (await cluster.run("create", "token", "deployer", "-n", namespace)).strip()
    config["users"][0]["user"] = {"token": token}
    (tmp_path / "account").write_text(json.dumps(config))
    try:
        with tempfile.TemporaryDirectory() as directory:
            async with connect(
                cluster.kubectl, tmp_path / "account", cluster.context, Path(directory)
            ) as connection:
                yield Kube(connection.client)
    finally:
        await cluster.run("delete", "rolebinding", names["some"], "-n", OWN_NAMESPACE)
        await cluster.run("delete", "clusterrolebinding", names["namespaces"], "--ignore-not-found")
        await cluster.run("delete", "clusterrole", *names.values())


async def wait_told(kube: Kube, namespace: str, wanted: str) -> None:
    """Until the check says this, for the API server learns of rights a little later."""
    things = {Thing("networking.k8s.io/v1", "NetworkPolicy", namespace), Thing("v1", "Service", namespace)}
    said = None
    async with asyncio.timeout(20):
        while said != wanted:
            try:
                await check_rights(kube, namespace, namespace, things)
                said = ""
            except RefusedError as error:
                said = error.why
            print(said)  # noqa: T201 - shown when the test fails
            await asyncio.sleep(0.1)


async def test_what_an_account_may_not_is_told_until_it_may(
    account: Kube, cluster: Cluster, namespace: str
) -> None:
    policies = f"networkpolicies.networking.k8s.io in namespace {namespace}: create, delete, get, patch"
    await wait_told(account, namespace, f"forbidden are\n{policies}")
    await apply(cluster, binding(f"{namespace}-all", namespace, namespace))
    await wait_told(account, namespace, "forbidden are\nnamespaces in the whole cluster: create")
    await apply(cluster, binding(f"{namespace}-namespaces", namespace))
    await wait_told(account, namespace, "")
