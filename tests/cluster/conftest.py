"""A real cluster for the tests: an instance of its own, brought up by the code under test."""

import os
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hubops.clients.kube import Kube, connect

from hubops.clients import process
from hubops.events import Event, Line, StepEnded
from hubops.local.instance import Instance, load_instance
from hubops.local.toolchain import require_tool
from hubops.local.up import Local, up

NAME = "hubops-test"
SHARED = Path(__file__).parents[3] / "shared"


@dataclass(frozen=True)
class Cluster:
    """What a test needs to reach the cluster as a person would."""

    kubectl: Path
    helm: Path
    kubeconfig: Path
    context: str

    async def run(self, *arguments: str, stdin: str = "") -> str:
        """A kubectl command."""
        command = [self.kubectl, f"--kubeconfig={self.kubeconfig}", f"--context={self.context}", *arguments]
        return await process.run(command, stdin=stdin.encode() if stdin else None)


def show(event: Event) -> None:
    """Steps go to the test's output, which pytest shows for a test that fails."""
    if isinstance(event, (StepEnded, Line)):
        print(event)  # noqa: T201


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def instance() -> Instance:
    """The tests' instance: its ports are free ones, chosen when it is first made."""
    if (Instance(NAME).directory / "instance.json").exists():
        return load_instance(NAME)
    return load_instance(NAME, edge_port=free_port(), registry_port=free_port())


@pytest.fixture(scope="session")
async def local() -> Local:
    return await up(instance(), show)


@pytest.fixture(scope="session")
async def helm() -> Path:
    return await require_tool("helm", show)


@pytest.fixture(scope="session")
async def cluster(local: Local, helm: Path) -> Cluster:
    kubectl = await require_tool("kubectl", show)
    return Cluster(kubectl, helm, local.instance.kubeconfig, local.instance.context)


@pytest.fixture(scope="session")
async def kube(cluster: Cluster) -> AsyncIterator[Kube]:
    with tempfile.TemporaryDirectory() as directory:
        async with connect(
            cluster.kubectl, cluster.kubeconfig, cluster.context, Path(directory)
        ) as connection:
            yield Kube(connection.client)


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    await cluster.run("create", "namespace", name)
    yield name
    await cluster.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def registry(local: Local) -> str:
    return local.instance.registry


@pytest.fixture(scope="session")
def upstream_chart() -> Path:
    """The upstream chart, which is test data beside the checkout and not part of it."""
    chart = Path(os.environ.get("HUBOPS_UPSTREAM_CHART", SHARED / "charts" / "jupyterhub-4.4.0.tgz"))
    if not chart.exists():
        pytest.skip(f"the upstream chart is not at {chart}; HUBOPS_UPSTREAM_CHART may name it")
    return chart
