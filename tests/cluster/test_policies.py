"""The local cluster's network enforces what the chart's policies say, and the fast tests read them as it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from cluster.conftest import PROJECT, Cluster, Fleet
from cluster.network import Pod, knock, list_policies, look, outside
from cluster.own_hub import Door, Operator
from hubops.local.secrets import load_or_create
from hubops.local.up import Local
from policies import Place, Policy, is_allowed

HUB, OTHER = "staginghub", "earthhub"
YES, NO = True, False
TABLE = [
    ("student", "hub", 8081, YES),
    ("student", "proxy", 8000, YES),
    ("student", "dns", 53, YES),
    ("student", "internet", 443, YES),
    ("student", "proxy", 8001, NO),
    ("student", "hub", 22, NO),
    ("student", "teacher", 8888, NO),
    ("teacher", "student", 8888, NO),
    ("student", "api server", 443, NO),
    ("student", "node", 6443, NO),
    ("student", "node", 10250, NO),
    ("student", "metadata", 80, NO),
    ("student", "machine nearby", 5432, NO),
    ("student", "other hub", 8081, NO),
    ("student", "other proxy", 8000, NO),
    ("student", "other proxy", 8001, NO),
    ("hub", "proxy", 8001, YES),
    ("hub", "student", 8888, YES),
    ("hub", "api server", 443, YES),
    ("hub", "internet", 443, YES),
    ("hub", "machine nearby", 5432, YES),
    ("other hub", "hub", 8081, NO),
    ("other hub", "proxy", 8001, NO),
    ("other hub", "student", 8888, NO),
    ("stranger", "hub", 8081, NO),
    ("stranger", "proxy", 8001, NO),
    ("stranger", "proxy", 8000, YES),
    ("stranger", "student", 8888, NO),
    # Nothing holds the stranger back, so what nobody else reaches is there.
    ("stranger", "api server", 443, YES),
    ("stranger", "node", 6443, YES),
    ("stranger", "node", 10250, YES),
    ("stranger", "metadata", 80, YES),
    ("stranger", "machine nearby", 5432, YES),
]


@dataclass(frozen=True)
class Neighbourhood:
    """The hub of the table with its neighbours."""

    cluster: Cluster
    pods: dict[str, Pod]
    places: dict[str, Place]
    policies: list[Policy]


@pytest.fixture(scope="module")
async def neighbourhood(fleet: Fleet, cluster: Cluster, local: Local) -> AsyncIterator[Neighbourhood]:
    assert {HUB, OTHER} <= set(fleet.hubs)
    operator = Operator(PROJECT, cluster, HUB)
    secrets = load_or_create(local.instance.directory / "secrets", HUB)["hub"]["config"]
    async with AsyncExitStack() as stack:
        door = Door(operator, stack)
        student = await door.let_in("student")
        teacher = await door.let_in("teacher", secrets["SharedPasswordAuthenticator"]["admin_password"])
        for person in (student, teacher):
            stack.push_async_callback(person.stop)
        await asyncio.gather(student.start(), teacher.start())
        await stack.enter_async_context(outside(local))
        image = (await operator.server("jupyter-student"))["image"]
        await cluster.run("run", "stranger", "-n", "default", f"--image={image}", "--", "sleep", "900")
        stack.push_async_callback(cluster.run, "delete", "pod", "-n", "default", "stranger", "--now")
        await cluster.run("wait", "-n", "default", "pod/stranger", "--for=condition=Ready", "--timeout=60s")
        pods = {
            "student": Pod(HUB, "jupyter-student"),
            "teacher": Pod(HUB, "jupyter-teacher"),
            "stranger": Pod("default", "stranger"),
            **{component: await find(cluster, HUB, component) for component in ("hub", "proxy")},
            **{f"other {component}": await find(cluster, OTHER, component) for component in ("hub", "proxy")},
        }
        yield Neighbourhood(cluster, pods, await look(cluster, pods), await list_policies(cluster))


async def find(cluster: Cluster, namespace: str, component: str) -> Pod:
    fields = "jsonpath={.items[0].metadata.name}"
    words = ("-n", namespace, "get", "pods", "-l", f"component={component}", "-o", fields)
    return Pod(namespace, await cluster.run(*words))


@pytest.mark.parametrize("sender", dict.fromkeys(row[0] for row in TABLE))
async def test_who_reaches_whom(neighbourhood: Neighbourhood, sender: str) -> None:
    rows = [(receiver, port, expected) for who, receiver, port, expected in TABLE if who == sender]
    places, policies = neighbourhood.places, neighbourhood.policies
    addresses = [(places[receiver].address, port) for receiver, port, _ in rows]
    reached = await knock(neighbourhood.cluster, neighbourhood.pods[sender], addresses)
    assert [(*row[:2], answered) for row, answered in zip(rows, reached, strict=True)] == rows
    for receiver, port, expected in rows:
        assert is_allowed(policies, places[sender], places[receiver], port) is expected, (receiver, port)


async def test_what_is_sent_to_a_service_or_pod_that_is_not_there_stays_in_the_cluster(
    neighbourhood: Neighbourhood,
) -> None:
    """A network outside may answer for every address, and did, for a hub whose Service was a moment old."""
    nobodies = [("10.96.255.250", 80), ("10.244.255.250", 80)]
    stranger = neighbourhood.pods["stranger"]
    assert await knock(neighbourhood.cluster, stranger, nobodies) == [NO, NO]
