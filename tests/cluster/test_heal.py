"""Helm killed after each of its writes in turn: the next run goes on, without a human and without loss."""

import contextlib
from pathlib import Path

import pytest

from cluster.conftest import Cluster
from hubops.answer import Absent, Present
from hubops.clients.gate import Gate
from hubops.clients.helm import Helm, Upgrade
from hubops.clients.kube import Json, Kube, connect
from hubops.errors import RefusedError, ReleaseError
from hubops.execute.base import rebase
from hubops.execute.heal import heal_release
from hubops.execute.lease import Lease, now
from hubops.secret import Redactor

CHART = """
apiVersion: v1
kind: ConfigMap
metadata: {name: %s}
data: {stamp: {{ .Values.stamp | quote }}}
"""


class Run:
    """One run of hubops as far as helm sees it. Its gate falls shut after `writes`, as by SIGKILL."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.directory = directory

    async def upgrade(self, upgrade: Upgrade, writes: int) -> int:
        """Kill helm when it sends one write more; how many it sent."""
        async with connect(*self._cluster()) as connection:
            await connection.opened()
            gate = Gate(connection.socket)

            def permit(_method: str, _path: str) -> None:
                if len(gate.writes) >= writes:
                    raise RefusedError("killed")

            gate.permit = permit
            async with gate.open():
                gate.write_kubeconfig(self.directory / "gate.json")
                home = self.directory / "helm"
                helm = Helm(self.cluster.helm, self.directory / "gate.json", home, lambda _: None, Redactor())
                with contextlib.suppress(ReleaseError):
                    await helm.upgrade(upgrade)
                return len(gate.writes)

    def _cluster(self) -> tuple[Path, Path, str, Path]:
        return self.cluster.kubectl, self.cluster.kubeconfig, self.cluster.context, self.directory


def inherited() -> Lease:
    return Lease("h", "me", "a killed run", now(), now)


def not_inherited() -> Lease:
    return Lease("h", "me", "", now(), now)


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path) -> Run:
    (tmp_path / "run").mkdir()
    return Run(cluster, tmp_path / "run")


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    chart = tmp_path / "tiny"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
    for name in ("a", "b"):
        (chart / "templates" / f"{name}.yaml").write_text(CHART % name)
    return chart


def upgrade_of(chart: Path, namespace: str, stamp: str, timeout_s: int = 60) -> Upgrade:
    return Upgrade("tiny", namespace, chart, [], {"stamp": stamp}, timeout_s)


async def status(cluster: Cluster, namespace: str) -> list[str]:
    words = ["get", "secrets", "-n", namespace, "-l", "owner=helm"]
    out: str = await cluster.run(*words, "-o", "jsonpath={.items[*].metadata.labels.status}")
    return out.split()


async def find(kube: Kube, namespace: str) -> Json:
    found = await kube.find(f"/api/v1/namespaces/{namespace}/configmaps/a")
    assert isinstance(found, Present)
    return found.value


async def test_helm_killed_after_any_write_is_healed_by_running_again(
    cluster: Cluster, kube: Kube, namespace: str, run: Run, chart: Path
) -> None:
    """An installation that is killed early, then an upgrade killed after 1, 2, … writes until it is through."""
    await run.upgrade(upgrade_of(chart, namespace, "first"), 2)
    assert await heal_release(kube, "tiny", namespace, inherited(), lambda _: None)
    await run.upgrade(upgrade_of(chart, namespace, "first"), 100)
    before, healed = await find(kube, namespace), 0
    for writes in range(1, 20):
        sent = await run.upgrade(upgrade_of(chart, namespace, str(writes)), writes)
        healed += await heal_release(kube, "tiny", namespace, inherited(), lambda _: None)
        assert not [word for word in await status(cluster, namespace) if word.startswith("pending")]
        if sent < writes:
            break
    after = await find(kube, namespace)
    assert healed >= 3
    assert after["data"]["stamp"] == str(writes)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


async def test_a_pending_release_of_somebody_else_is_left_alone(
    cluster: Cluster, kube: Kube, namespace: str, run: Run, chart: Path
) -> None:
    await run.upgrade(upgrade_of(chart, namespace, "one"), 2)
    before = await status(cluster, namespace)
    assert before == ["pending-install"]
    with pytest.raises(RefusedError, match="another helm is at work on tiny"):
        await heal_release(kube, "tiny", namespace, not_inherited(), lambda _: None)
    assert await status(cluster, namespace) == before


async def test_a_pending_release_older_than_helms_limit_is_healed(
    cluster: Cluster, kube: Kube, namespace: str, run: Run, chart: Path
) -> None:
    await run.upgrade(upgrade_of(chart, namespace, "one"), 2)
    assert await heal_release(kube, "tiny", namespace, not_inherited(), lambda _: None, timeout_s=0)
    assert await status(cluster, namespace) == ["failed"]
    assert not await heal_release(kube, "tiny", namespace, not_inherited(), lambda _: None)


async def test_helm_reads_what_was_healed(
    cluster: Cluster, kube: Kube, namespace: str, run: Run, chart: Path
) -> None:
    await run.upgrade(upgrade_of(chart, namespace, "one"), 2)
    await heal_release(kube, "tiny", namespace, inherited(), lambda _: None)
    home = run.directory / "plain"
    helm = Helm(cluster.helm, cluster.kubeconfig, home, lambda _: None, Redactor())
    history = await helm.history("tiny", namespace)
    assert isinstance(history, Present)
    assert history.value[0].status == "failed"
    assert "killed" in history.value[0].description


FIELDS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {{ .Values.fields | toJson }}
---
{{- if .Values.more }}
apiVersion: v1
kind: ConfigMap
metadata: {name: more}
{{- end }}
"""


@pytest.mark.parametrize("writes", [3, 4, 100])
async def test_what_a_failed_upgrade_brought_is_taken_out_by_the_next(
    kube: Kube, namespace: str, run: Run, chart: Path, writes: int
) -> None:
    """Cut after some writes, or refused at the end by an object that the API server does not take."""
    for file in (chart / "templates").glob("*.yaml"):
        file.unlink()
    (chart / "templates" / "fields.yaml").write_text(FIELDS)
    first = Upgrade("tiny", namespace, chart, [], {"fields": {"old": "1", "both": "1"}}, 60)
    await run.upgrade(first, 100)
    wrong = chart / "templates" / "wrong.yaml"
    wrong.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: wrong}\nspec: {ports: []}\n")
    failing = {"fields": {"brought": "1", "both": "2"}, "more": True}
    await run.upgrade(Upgrade("tiny", namespace, chart, [], failing, 60), writes)
    wrong.unlink()
    await heal_release(kube, "tiny", namespace, inherited(), lambda _: None)
    assert await rebase(kube, "tiny", namespace)
    assert await rebase(kube, "tiny", namespace)  # a run killed here begins again
    await run.upgrade(Upgrade("tiny", namespace, chart, [], {"fields": {"both": "3"}}, 60), 100)
    assert (await find(kube, namespace))["data"] == {"both": "3"}
    assert isinstance(await kube.find(f"/api/v1/namespaces/{namespace}/configmaps/more"), Absent)
    assert not await rebase(kube, "tiny", namespace)
