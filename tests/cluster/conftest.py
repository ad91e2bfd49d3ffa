"""A real cluster for the tests: an instance of its own, brought up by the code under test."""

import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.hub_under_test import HubUnderTest
from hubops.clients import process
from hubops.clients.buildctl import Buildctl
from hubops.clients.kube import Kube, connect
from hubops.events import Event, Line, Remark, StepEnded
from hubops.local import base_image
from hubops.local.buildkit import require_buildkit
from hubops.local.instance import Instance, load_instance
from hubops.local.packages import require_package
from hubops.local.secrets import load_or_create
from hubops.local.toolchain import require_tool
from hubops.local.up import Local, up
from hubops.secret import Secret

# Another name runs two sets of tests side by side.
NAME = os.environ.get("HUBOPS_TEST_INSTANCE", "hubops-test")
PROJECT = Path(__file__).parents[2]
NOTEBOOK = "earth-course/green-valley.ipynb"
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
        command: list[str | Path] = [
            self.kubectl,
            f"--kubeconfig={self.kubeconfig}",
            f"--context={self.context}",
            *arguments,
        ]
        return await process.run(command, stdin=stdin.encode() if stdin else None)


@dataclass(frozen=True)
class Access:
    """A hub as a person and as hubops' service reach it."""

    url: str
    username: str
    password: str
    token: str


@dataclass(frozen=True)
class Fleet:
    """The example fleet, deployed by `hubops start`."""

    url: str
    hubs: dict[str, Access]
    notebook: str


def show(event: Event) -> None:
    """Steps go to the test's output, which pytest shows for a test that fails."""
    if isinstance(event, (StepEnded, Line, Remark)):
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
async def builder() -> Buildctl:
    return await require_buildkit(show)


@pytest.fixture(scope="session")
async def base() -> dict[str, Path]:
    """The named context that stands for the base image where no registry answers."""
    layout = await base_image.find_base(show)
    return {base_image.NAME: layout} if layout else {}


async def hubops(*arguments: str) -> str:
    """Run a hubops command as a person does, on the tests' instance; returns its standard output."""
    env = {**os.environ, "HUBOPS_LOCAL": NAME}
    words = [sys.executable, "-m", "hubops.cli.main", "--verbose", *arguments]
    return await process.run(words, env=env, cwd=PROJECT, on_line=print)


@pytest.fixture(scope="session")
async def fleet(local: Local) -> Fleet:
    await hubops("start")
    return Fleet(
        local.instance.url, {n: access(local.instance, n) for n in ("staginghub", "earthhub")}, NOTEBOOK
    )


def access(instance: Instance, hub: str) -> Access:
    values = load_or_create(instance.directory / "secrets", hub)["hub"]
    password = values["config"]["SharedPasswordAuthenticator"]["user_password"]
    return Access(f"{instance.url}/{hub}/", "student", password, values["services"]["hubops"]["apiToken"])


@pytest.fixture(scope="session")
def hub(fleet: Fleet) -> HubUnderTest:
    """The staging hub, for tests of the proof itself."""
    staging = fleet.hubs["staginghub"]
    return HubUnderTest(staging.url, Secret(staging.token), staging.username, Secret(staging.password))


@pytest.fixture(scope="session")
async def chromium() -> str:
    await require_package("chromium", "chromium", show)
    return str(shutil.which("chromium"))


@pytest.fixture(scope="session")
def upstream_chart() -> Path:
    """The upstream chart, which is test data beside the checkout and not part of it."""
    chart = Path(os.environ.get("HUBOPS_UPSTREAM_CHART", SHARED / "charts" / "jupyterhub-4.4.0.tgz"))
    if not chart.exists():
        pytest.skip(f"the upstream chart is not at {chart}; HUBOPS_UPSTREAM_CHART may name it")
    return chart
