"""Rollouts and verdicts on a real cluster: fast about what cannot work, patient with what only takes time."""

import asyncio
import json
import tomllib
from collections.abc import Coroutine
from typing import Any

import pytest

from cluster.conftest import PROJECT, Cluster
from hubops.checks.rollout import find_pods, refuse_hopeless, wait_rolled_out
from hubops.clients.kube import Json, Kube
from hubops.errors import OutOfReachError, ReleaseError
from hubops.events import CommandStarted, Event
from hubops.secret import Redactor, Secret

CORES = "/apis/apps/v1/namespaces/kube-system/deployments"
PATIENCE_S = 30  # DESIGN, rule 2: known within 30 seconds


@pytest.fixture(scope="session")
async def image(kube: Kube) -> str:
    """An image that the node has, of a program that says what is wrong when it cannot run: CoreDNS."""
    items, _ = await kube.list(CORES, labels="k8s-app=kube-dns")
    found: str = items[0]["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


@pytest.fixture(scope="session")
def idle() -> str:
    """The image of a program that does nothing, of which every node has a copy: pause."""
    config = tomllib.loads((PROJECT / "toolchain/node/files/etc/containerd/config.toml").read_text())
    found: str = config["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"]
    return found


def workload(kind: str, name: str, pod: Json) -> Json:
    labels = {"app": name}
    spec: Json = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, **pod}},
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def container(image: str, *args: str, **more: Any) -> Json:
    return {
        "containers": [
            {"name": "c", "image": image, "args": list(args), "imagePullPolicy": "IfNotPresent", **more}
        ]
    }


async def apply(cluster: Cluster, namespace: str, *objects: Json) -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    await cluster.run("apply", "-n", namespace, "-f", "-", stdin=json.dumps(document))


async def verdict(watch: Coroutine[Any, Any, None]) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        await asyncio.wait_for(watch, PATIENCE_S + 15)
    return caught.value


def ignore(_event: Event) -> None:
    pass


async def test_every_workload_is_watched_to_its_end(
    cluster: Cluster, kube: Kube, namespace: str, idle: str
) -> None:
    pod = container(idle)
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    await apply(cluster, namespace, *(workload(kind, kind.lower(), pod) for kind in kinds))
    events: list[Event] = []
    await wait_rolled_out(kube, namespace, 60, events.append, Redactor())
    assert events == [
        CommandStarted(
            f"kubectl rollout status --namespace {namespace} --watch {kind.lower()}.apps/{kind.lower()}"
        )
        for kind in kinds
    ]
    loop = asyncio.get_running_loop()
    began = loop.time()
    await wait_rolled_out(kube, namespace, 60, ignore, Redactor())
    assert loop.time() - began < 0.1


async def test_a_crash_loop_is_known_in_time_with_the_line_that_explains_it(
    cluster: Cluster, kube: Kube, namespace: str, image: str
) -> None:
    loop = asyncio.get_running_loop()
    redactor = Redactor([Secret("s3cret-name")])
    await apply(
        cluster, namespace, workload("Deployment", "hub", container(image, "-conf", "/etc/s3cret-name"))
    )
    began = loop.time()
    error = await verdict(refuse_hopeless(kube, namespace, set(), redactor))
    assert loop.time() - began <= PATIENCE_S
    assert "failed 3 times, last with Error, exit code 1" in error.what
    assert "c | " in error.why
    assert "no such file" in error.why
    assert "BackOff" in error.why
    assert "s3cret-name" not in str(error)


async def test_an_image_that_is_not_there_is_known_in_time(
    cluster: Cluster, kube: Kube, namespace: str, registry: str
) -> None:
    loop = asyncio.get_running_loop()
    await apply(
        cluster, namespace, workload("StatefulSet", "hub", container(f"{registry}/no/such-image:never"))
    )
    began = loop.time()
    error = await verdict(refuse_hopeless(kube, namespace, set(), Redactor()))
    assert loop.time() - began <= PATIENCE_S
    assert "not found" in error.what
    assert "no/such-image:never" in str(error)


async def test_a_secret_that_is_not_there_is_known_in_time(
    cluster: Cluster, kube: Kube, namespace: str, image: str
) -> None:
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "x"}}}]
    await apply(cluster, namespace, workload("DaemonSet", "hub", container(image, env=env)))
    error = await verdict(refuse_hopeless(kube, namespace, set(), Redactor()))
    assert 'CreateContainerConfigError: secret "absent" not found' in error.what


async def test_what_failed_before_does_not_count_and_what_comes_after_does(
    cluster: Cluster, kube: Kube, namespace: str, image: str
) -> None:
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "x"}}}]
    await apply(cluster, namespace, workload("Deployment", "old", container(image, env=env)))
    await verdict(refuse_hopeless(kube, namespace, set(), Redactor()))
    watch = asyncio.create_task(
        refuse_hopeless(kube, namespace, await find_pods(kube, namespace), Redactor())
    )
    await asyncio.sleep(3)
    assert not watch.done()
    await apply(cluster, namespace, workload("Deployment", "new", container(image, env=env)))
    with pytest.raises(ReleaseError, match="new-"):
        await asyncio.wait_for(watch, PATIENCE_S)


async def test_a_person_s_own_server_does_not_count(
    cluster: Cluster, kube: Kube, namespace: str, image: str
) -> None:
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "x"}}}]
    metadata = {"name": "jupyter-person", "labels": {"component": "singleuser-server"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": container(image, env=env)}
    await apply(cluster, namespace, pod)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(refuse_hopeless(kube, namespace, set(), Redactor()), 4)


async def test_no_node_is_no_failure_of_the_release(
    cluster: Cluster, kube: Kube, namespace: str, image: str
) -> None:
    pod = {**container(image), "nodeSelector": {"no-such": "node"}}
    await apply(cluster, namespace, workload("Deployment", "hub", pod))
    with pytest.raises(OutOfReachError, match="node") as caught:
        await wait_rolled_out(kube, namespace, 4, ignore, Redactor())
    assert "0/1 nodes are available" in caught.value.why
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(refuse_hopeless(kube, namespace, set(), Redactor()), 2)


async def test_what_is_late_is_explained(cluster: Cluster, kube: Kube, namespace: str, idle: str) -> None:
    never = {"readinessProbe": {"tcpSocket": {"port": 9}, "periodSeconds": 1}}
    await apply(cluster, namespace, workload("Deployment", "hub", container(idle, **never)))
    with pytest.raises(ReleaseError, match="hub was not ready in time: 0 of 1") as caught:
        await wait_rolled_out(kube, namespace, 6, ignore, Redactor())
    assert "Readiness probe failed" in caught.value.why


async def test_a_workload_that_is_deleted_is_not_waited_for(
    cluster: Cluster, kube: Kube, namespace: str, image: str
) -> None:
    pod = {**container(image), "nodeSelector": {"no-such": "node"}}
    await apply(cluster, namespace, workload("Deployment", "hub", pod))
    waiting = asyncio.create_task(wait_rolled_out(kube, namespace, 60, ignore, Redactor()))
    await asyncio.sleep(1)
    await cluster.run("delete", "-n", namespace, "deployment", "hub")
    await asyncio.wait_for(waiting, 10)
