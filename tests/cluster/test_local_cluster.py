"""The local cluster comes back from whatever happened to it, with its volumes."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.conftest import Cluster, free_port, show
from hubops.answer import Present
from hubops.clients.registry import Registry
from hubops.local import daemon, paths
from hubops.local.docker import Docker, find_docker
from hubops.local.instance import Instance, load_instance, save_instance
from hubops.local.toolchain import require_tool
from hubops.local.up import Local, down, up

NAME = "hubops-kill"
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: home}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  containers:
    - {name: user, image: "hubops.dev/node:v1.34.4", imagePullPolicy: Never, command: [etcd],
       volumeMounts: [{name: home, mountPath: /home}]}
  volumes: [{name: home, persistentVolumeClaim: {claimName: home}}]
"""


async def hubops(*arguments: str, kill_at: str = "") -> int:
    """Run a hubops command in a process group of its own; SIGKILL the group when it prints `kill_at`."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubops.cli.main", "--verbose", *arguments),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stderr
    async for raw in child.stderr:
        print(raw.decode().rstrip())  # noqa: T201 - shown when the test fails
        if kill_at and kill_at in raw.decode():
            os.killpg(child.pid, signal.SIGKILL)
            break
    await child.stderr.read()
    return await child.wait()


@pytest.fixture(scope="module")
async def doomed(local: Local) -> AsyncIterator[Instance]:
    """An instance that the tests may break."""
    made = load_instance(NAME)
    if not made.directory.exists():
        made = load_instance(NAME, edge_port=free_port(), registry_port=free_port())
        save_instance(made)
    yield made
    await down(made, lambda _: None, delete_data=True)
    assert not made.directory.exists()
    assert await local.docker.state(made.node) == ""


@pytest.fixture(scope="module")
async def access(doomed: Instance, helm: Path) -> Cluster:
    return Cluster(await require_tool("kubectl", lambda _: None), helm, doomed.kubeconfig, doomed.context)


async def volume(access: Cluster) -> tuple[str, str]:
    """The claim's uid and its volume: both stay when nothing was lost."""
    claim = json.loads(await access.run("get", "pvc", "home", "-o", "json"))
    return claim["metadata"]["uid"], claim["spec"].get("volumeName", "")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("base image", marks=pytest.mark.long),
        pytest.param("registry at", marks=pytest.mark.long),
        pytest.param("Preparing nodes", marks=pytest.mark.long),
        "Writing configuration",
        pytest.param("Starting control-plane", marks=pytest.mark.long),
        pytest.param("StorageClass", marks=pytest.mark.long),
    ],
)
async def test_a_killed_up_is_healed_by_the_next(doomed: Instance, access: Cluster, step: str) -> None:
    docker = await find_docker()
    assert docker
    with contextlib.suppress(FileNotFoundError):
        (doomed.directory / "cluster.recipe").unlink()
    await docker("rm", "-f", "-v", doomed.node, doomed.registry_container)
    assert await hubops("local", "up", "--name", NAME, kill_at=step) == -signal.SIGKILL
    assert await hubops("local", "up", "--name", NAME) == 0
    assert "Ready" in await access.run("get", "nodes")


async def test_volumes_survive_a_stopped_node_a_kill_and_a_down(doomed: Instance, access: Cluster) -> None:
    assert await hubops("local", "up", "--name", NAME) == 0
    await access.run("apply", "-f", "-", stdin=CLAIM)
    await access.run("wait", "pod/user", "--for=jsonpath={.status.phase}=Running", "--timeout=60s")
    before = await volume(access)
    assert before[1]
    docker = await find_docker()
    assert docker
    await docker("kill", doomed.node)
    assert await hubops("local", "up", "--name", NAME, kill_at="started again") == -signal.SIGKILL
    assert await hubops("local", "up", "--name", NAME) == 0
    assert await volume(access) == before
    assert await hubops("local", "down", "--name", NAME) == 0
    assert await docker.state(doomed.node) == "exited"
    assert await hubops("local", "up", "--name", NAME) == 0
    assert await volume(access) == before


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["restarted", "killed"])
async def test_an_engine_that_ended_comes_back_with_its_clusters(
    local: Local, doomed: Instance, access: Cluster, number: signal.Signals
) -> None:
    """As after a restart of the machine. Only an engine of ours is ended, and only where it is the tests' alone."""
    assert await hubops("local", "up", "--name", NAME) == 0
    engine = await require_alone(local, doomed)
    await access.run("apply", "-f", "-", stdin=CLAIM)
    await access.run("wait", "pod/user", "--for=jsonpath={.status.phase}=Running", "--timeout=60s")
    before = await volume(access)
    assert before[1]
    os.kill(engine, number)
    async with asyncio.timeout(60):
        while recorded_engine() is not None:
            await asyncio.sleep(0.1)
    assert await hubops("local", "up", "--name", NAME) == 0
    assert recorded_engine() not in {None, engine}
    assert await volume(access) == before
    await access.run("wait", "pod/user", "--for=condition=Ready", "--timeout=120s")
    await up(local.instance, show)  # the other tests go on with theirs


def recorded_engine() -> int | None:
    """The process of the engine that hubops started here, while it lives."""
    return daemon._own_pid(paths.RUN_DIR / "dockerd.pid", "dockerd")


async def require_alone(local: Local, doomed: Instance) -> int:
    """Our own engine's process; the test is left out where there is none, or others work with it."""
    engine = recorded_engine()
    if engine is None or not local.docker.address:
        pytest.skip("the engine here is not one that hubops started")
    ours = {name for each in (local.instance, doomed) for name in (each.node, each.registry_container)}
    strangers = {*(await local.docker("ps", "--format", "{{.Names}}")).split()} - ours
    if strangers:
        pytest.skip(f"others run in the engine: {', '.join(sorted(strangers))}")
    return engine


async def test_a_cluster_of_another_recipe_is_rebuilt_and_finds_its_homes(
    doomed: Instance, access: Cluster
) -> None:
    assert await hubops("local", "up", "--name", NAME) == 0
    await access.run("apply", "-f", "-", stdin=CLAIM)
    await access.run("wait", "pod/user", "--for=jsonpath={.status.phase}=Running", "--timeout=60s")
    _, name = await volume(access)
    note = doomed.directory / "volumes" / f"{name}_default_home" / "note"
    note.write_text("kept")
    (doomed.directory / "cluster.recipe").write_text("another")
    assert await hubops("local", "up", "--name", NAME) == 0
    await access.run("apply", "-f", "-", stdin=CLAIM)
    await access.run("wait", "pod/user", "--for=jsonpath={.status.phase}=Running", "--timeout=60s")
    _, name = await volume(access)
    assert (doomed.directory / "volumes" / f"{name}_default_home" / "note").read_text() == "kept"


async def test_the_node_has_one_copy_of_its_binary_and_is_small(local: Local) -> None:
    image = await local.docker("inspect", "-f", "{{.Config.Image}}", local.instance.node)
    size = int(await local.docker("image", "inspect", "-f", "{{.Size}}", image))
    assert size <= 700_000_000
    assert isinstance(local.docker, Docker)


async def test_names_resolve_inside_and_outside_the_cluster(cluster: Cluster) -> None:
    """CoreDNS runs without having seen a loop, and has restarted for no other reason than the node's restarts."""
    log = await cluster.run("logs", "-n", "kube-system", "deployment/coredns", "--tail=50")
    assert "Loop" not in log


@pytest.mark.long
async def test_a_node_image_is_pulled_by_digest(local: Local, doomed: Instance, access: Cluster) -> None:
    """As the official one would be, where its registry answers: ours, from the local registry."""
    own = await local.docker("inspect", "-f", "{{.Config.Image}}", local.instance.node)
    repository = f"{local.instance.registry}/hubops/node"
    await local.docker("tag", own, f"{repository}:pulled")
    await local.docker("push", "-q", f"{repository}:pulled")
    await local.docker("rmi", f"{repository}:pulled")
    found = await Registry().find_digest(repository, "pulled")
    assert isinstance(found, Present)
    reference = f"{repository}@{found.value}"
    assert await hubops("local", "up", "--name", NAME, "--node-image", reference) == 0
    assert await local.docker("inspect", "-f", "{{.Config.Image}}", doomed.node) == reference
    assert "Ready" in await access.run("get", "nodes")
