"""The gate with a real helm and API server."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster.conftest import Cluster
from hubops.answer import Absent, Present
from hubops.clients.gate import Fault, Gate
from hubops.clients.helm import Helm, Upgrade
from hubops.clients.kube import Kube, connect
from hubops.errors import RefusedError, ReleaseError
from hubops.events import CommandStarted, Event
from hubops.secret import Redactor, Secret

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: %s}
data: {stamp: {{ .Values.stamp | quote }}, secret: {{ .Values.secret | quote }}}
"""


def write_chart(directory: Path, *names: str) -> Path:
    """A chart of config maps, so that a release is ready at once."""
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
    for name in names:
        (directory / "templates" / f"{name}.yaml").write_text(CONFIG_MAP % name)
    return directory


@asynccontextmanager
async def open_gate(cluster: Cluster, directory: Path, **options: Any) -> AsyncIterator[Gate]:
    directory.mkdir(exist_ok=True)
    async with (
        connect(cluster.kubectl, cluster.kubeconfig, cluster.context, directory) as connection,
        Gate(connection.socket, **options).open() as gate,
    ):
        await connection.opened()
        gate.write_kubeconfig(directory / "gate.json")
        yield gate


def helm_at(cluster: Cluster, directory: Path, events: list[Event] | None = None) -> Helm:
    emit = events.append if events is not None else lambda _: None
    home = directory / "helm"
    return Helm(cluster.helm, directory / "gate.json", home, emit, Redactor([Secret("3228e95")]))


@pytest.fixture
def upgrade(tmp_path: Path, namespace: str) -> Upgrade:
    values = tmp_path / "values.yaml"
    values.write_text("stamp: one\n")
    chart = write_chart(tmp_path / "tiny chart", "a", "b", "c")
    return Upgrade("tiny", namespace, chart, [values], {"secret": "3228e95"}, timeout_s=60)


async def test_helm_works_through_the_gate_and_each_write_is_in_its_journal(
    cluster: Cluster, kube: Kube, upgrade: Upgrade, tmp_path: Path
) -> None:
    events: list[Event] = []
    async with open_gate(cluster, tmp_path / "run") as gate:
        helm = helm_at(cluster, tmp_path / "run", events)
        assert await helm.history("tiny", upgrade.namespace) == Absent()
        assert gate.writes == []
        await helm.upgrade(upgrade)
        history = await helm.history("tiny", upgrade.namespace)
    assert isinstance(history, Present)
    assert [(entry.number, entry.status) for entry in history.value] == [(1, "deployed")]
    created = [write.path.rsplit("/", 1)[1] for write in gate.writes if write.method == "POST"]
    assert created == ["namespaces", "secrets", "configmaps", "configmaps", "configmaps"]
    found = await kube.find(f"/api/v1/namespaces/{upgrade.namespace}/configmaps/a")
    assert isinstance(found, Present)
    assert found.value["data"] == {"stamp": "one", "secret": "3228e95"}
    commands = [event.text for event in events if isinstance(event, CommandStarted)]
    where = f"--namespace {upgrade.namespace} --create-namespace tiny '{upgrade.chart}'"
    how = f"--wait --timeout 60s --cleanup-on-fail -f {upgrade.values[0]} -f -"
    assert commands == [f"helm upgrade --install {where} {how}"]


async def test_a_home_of_its_own_keeps_the_operators_files_as_they_are(
    cluster: Cluster, upgrade: Upgrade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".config" / "helm" / "registry").mkdir(parents=True)
    (home / ".config" / "helm" / "repositories.yaml").write_text("apiVersion: ''\nrepositories: []\n")
    (home / ".config" / "helm" / "registry" / "config.json").write_text('{"auths": {}}')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    async with open_gate(cluster, tmp_path / "run"):
        await helm_at(cluster, tmp_path / "run").upgrade(upgrade)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


async def test_a_dry_run_leaves_no_trace(
    cluster: Cluster, kube: Kube, upgrade: Upgrade, tmp_path: Path
) -> None:
    async with open_gate(cluster, tmp_path / "run", dry_run=True) as gate:
        with pytest.raises(ReleaseError, match="refuses writes in a dry run"):
            await helm_at(cluster, tmp_path / "run").upgrade(upgrade)
    assert gate.writes == []
    secrets, _ = await kube.list(f"/api/v1/namespaces/{upgrade.namespace}/secrets")
    assert secrets == []


async def test_a_lost_lease_stops_helm_at_its_next_write(
    cluster: Cluster, kube: Kube, upgrade: Upgrade, tmp_path: Path
) -> None:
    left = [3]

    def permit(_method: str, _path: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RefusedError("the lease was lost")

    async with open_gate(cluster, tmp_path / "run", permit=permit) as gate:
        with pytest.raises(ReleaseError, match="the lease was lost"):
            await helm_at(cluster, tmp_path / "run").upgrade(upgrade)
        assert "the lease was lost" in gate.undecided()
    assert len(gate.writes) == 3  # the namespace, the release's record, and one of its three objects
    found, _ = await kube.list(f"/api/v1/namespaces/{upgrade.namespace}/configmaps")
    assert len([item for item in found if item["metadata"]["name"] in {"a", "b", "c"}]) == 1


async def test_an_api_server_that_is_busy_is_helms_failure_and_passes(
    cluster: Cluster, upgrade: Upgrade, tmp_path: Path
) -> None:
    faults = [Fault(delay_s=0.2), Fault(status=503)]
    gone_through = lambda _method, _path: faults.pop() if faults else None  # noqa: E731
    async with open_gate(cluster, tmp_path / "run", fault=gone_through):
        helm = helm_at(cluster, tmp_path / "run")
        with pytest.raises(ReleaseError, match="unable to handle the request"):
            await helm.upgrade(upgrade)
        await helm.upgrade(upgrade)


async def test_a_context_whose_server_has_a_path_works(cluster: Cluster, kube: Kube, tmp_path: Path) -> None:
    """As Rancher's, for which kubectl proxy must be asked to append the path: the gate has one too."""
    async with open_gate(cluster, tmp_path / "run"):
        config = tmp_path / "run" / "gate.json"
        (tmp_path / "two").mkdir()
        async with connect(cluster.kubectl, config, "gate", tmp_path / "two") as connection:
            through = await Kube(connection.client).find("/api/v1/namespaces/kube-system")
    direct = await kube.find("/api/v1/namespaces/kube-system")
    assert isinstance(direct, Present)
    assert isinstance(through, Present)
    assert through.value["metadata"]["uid"] == direct.value["metadata"]["uid"]


OPENS = """
import asyncio, sys
from pathlib import Path
from hubops.clients.kube import connect
async def main():
    async with connect(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])) as connection:
        await connection.opened()
        print("open", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
async def test_no_kubectl_outlives_a_killed_run(cluster: Cluster, tmp_path: Path) -> None:
    arguments = [cluster.kubectl, cluster.kubeconfig, cluster.context, tmp_path]
    source = Path(__file__).parents[2] / "src"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OPENS, *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert child.stdout
    assert await child.stdout.readline() == b"open\n"
    assert proxies(tmp_path)
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()
    async with asyncio.timeout(5):
        while proxies(tmp_path):
            await asyncio.sleep(0.05)


def proxies(directory: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_text().split("\0")
            if "proxy" in words and any(str(directory) in word for word in words):
                found.append(process.name)
    return found
