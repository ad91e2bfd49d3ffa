"""How hubops writes to a real API server: behind the gate, one run at a time, healed after a kill."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from cluster.conftest import Cluster
from hubops.answer import Absent, Present, Unknown
from hubops.checks import rollout
from hubops.clients.gate import Fault, Gate
from hubops.clients.helm import Helm, Upgrade, make_home
from hubops.clients.kube import Connection, Kube, connect
from hubops.errors import ClusterError, OutOfReachError, RefusedError, ReleaseError
from hubops.events import Event, Line
from hubops.execute.heal import heal_release
from hubops.execute.lease import Lease, hold
from hubops.execute.release import upgrade_release
from hubops.secret import Redactor, Secret

CONFIG_MAP = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: thing}\ndata: {key: {{ .Values.key | quote }}}\n"
)
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: thing}
spec:
  selector: {matchLabels: {app: thing}}
  template:
    metadata: {labels: {app: thing}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: main
          image: {{ .Values.image }}
          imagePullPolicy: {{ .Values.pull }}
          command: {{ .Values.command | toJson }}
"""
OWN_IMAGE = {"image": "hubops.dev/node:v1.34.4", "pull": "Never"}


def ignore(event: Event) -> None:
    pass


@pytest.fixture
async def connection(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Connection]:
    async with connect(cluster.kubectl, cluster.kubeconfig, cluster.context, tmp_path) as opened:
        yield opened


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    directory = tmp_path / "chart"
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: thing\nversion: 0.1.0\n")
    (directory / "templates" / "thing.yaml").write_text(CONFIG_MAP)
    return directory


def helm_through(gate: Gate, cluster: Cluster, directory: Path) -> Helm:
    gate.write_kubeconfig(directory / "gate.json")
    return Helm(cluster.helm, directory / "gate.json", make_home(directory / "helm"), ignore, Redactor())


async def test_every_write_of_helm_is_in_the_journal(
    connection: Connection, cluster: Cluster, namespace: str, chart: Path, tmp_path: Path
) -> None:
    gate = Gate(connection.socket)
    async with gate.open():
        await helm_through(gate, cluster, tmp_path).upgrade(Upgrade("r", namespace, chart, [], {"key": "1"}))
    written = [(write.method, write.path.rsplit("/", 1)[-1], write.status) for write in gate.writes]
    assert ("POST", "configmaps", 201) in written
    assert written[-1] == ("PUT", "sh.helm.release.v1.r.v1", 200)


@pytest.mark.parametrize("how", ["dry run", "closed", "not permitted"])
async def test_a_refused_write_reaches_nothing_and_says_why(  # noqa: PLR0917 - fixtures
    connection: Connection, cluster: Cluster, namespace: str, chart: Path, tmp_path: Path, how: str
) -> None:
    def forbid(method: str, path: str) -> None:
        raise RefusedError(f"{method} {path} is not permitted")

    gate = Gate(connection.socket, dry_run=how == "dry run")
    if how == "not permitted":
        gate.permit = forbid
    if how == "closed":
        gate.close("closed by the test")
    async with gate.open():
        with pytest.raises(ReleaseError) as caught:
            await helm_through(gate, cluster, tmp_path).upgrade(
                Upgrade("r", namespace, chart, [], {"key": "1"})
            )
    assert how.split()[-1] in caught.value.why
    assert gate.writes == []
    assert isinstance(
        await Kube(connection.client).find(f"/api/v1/namespaces/{namespace}/configmaps/thing"), Absent
    )


async def test_a_stranger_without_the_path_is_turned_away(connection: Connection) -> None:
    async with Gate(connection.socket).open() as gate, httpx2.AsyncClient() as client:
        base = gate.url.rsplit("/", 1)[0]
        assert (await client.get(f"{base}/api/v1/namespaces")).status_code == 404
        assert (await client.get(f"{gate.url}/api/v1/namespaces")).status_code == 200


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_answer_that_decides_nothing_is_unknown(connection: Connection, status: int) -> None:
    gate = Gate(connection.socket, fault=lambda _method, _path: Fault(status=status))
    async with gate.open(), httpx2.AsyncClient(base_url=gate.url) as client:
        assert isinstance(await Kube(client).find("/api/v1/namespaces/default"), Unknown)
        with pytest.raises(OutOfReachError):
            await Kube(client).list("/api/v1/namespaces")


async def test_a_cut_connection_is_unknown_and_only_404_is_absent(connection: Connection) -> None:
    cut = Gate(connection.socket, fault=lambda _method, _path: Fault(cut=True))
    async with cut.open(), httpx2.AsyncClient(base_url=cut.url) as client:
        assert isinstance(await Kube(client).find("/api/v1/namespaces/default"), Unknown)
    assert isinstance(await Kube(connection.client).find("/api/v1/namespaces/no-such"), Absent)
    assert isinstance(await Kube(connection.client).find("/api/v1/namespaces/default"), Present)


async def test_a_watch_tells_what_is_there_and_each_change(kube: Kube, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    seen: list[str] = []

    async def watch() -> None:
        async for kind, item in kube.watch(path, labels="test=yes"):
            seen.append(f"{kind} {item['metadata']['name']}")
            if len(seen) == 3:
                return

    def body(name: str) -> dict[str, object]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"test": "yes"}},
        }

    await kube.create(path, body("first"))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(watch())
        while "ADDED first" not in seen:
            await asyncio.sleep(0.01)
        await kube.create(path, body("second"))
        await kube.delete(f"{path}/first")
    assert seen == ["ADDED first", "ADDED second", "DELETED first"]
    await kube.delete(f"{path}/first")  # it is gone already, which is no error


async def test_only_one_holds_the_lease_and_the_other_waits_and_says_for_whom(kube: Kube) -> None:
    told: list[Event] = []
    order: list[str] = []
    entered = asyncio.Event()

    async def first() -> None:
        async with hold(kube, "t-lease", ignore, holder="alice@laptop"):
            entered.set()
            await asyncio.sleep(1.5)
            order.append("alice")

    async def second() -> None:
        await entered.wait()
        async with hold(kube, "t-lease", told.append, holder="bob@ci") as lease:
            order.append("bob")
            assert lease.inherited == ""

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        group.create_task(second())
    assert order == ["alice", "bob"]
    assert told == [Line("waiting for alice@laptop, who deploys t-lease")]


async def test_a_lease_that_cannot_be_renewed_permits_no_write(kube: Kube) -> None:
    at = [datetime.now(UTC)]
    async with hold(kube, "t-lapsed", ignore, clock=lambda: at[0]) as lease:
        lease.require_held()
        at[0] += timedelta(seconds=16)
        with pytest.raises(RefusedError, match="was lost"):
            lease.require_held()


async def test_the_lease_of_a_killed_run_is_inherited_at_once(
    kube: Kube, cluster: Cluster, tmp_path: Path
) -> None:
    script = f"""
import asyncio
from pathlib import Path
from hubops.clients.kube import Kube, connect
from hubops.execute.lease import hold
async def main():
    async with connect(Path({str(cluster.kubectl)!r}), Path({str(cluster.kubeconfig)!r}), {cluster.context!r}, Path({str(tmp_path)!r})) as c:
        async with hold(Kube(c.client), "t-killed", print):
            print("held", flush=True)
            await asyncio.sleep(60)
asyncio.run(main())
"""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert child.stdout
    assert b"held" in await child.stdout.readline()
    os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
    async with asyncio.timeout(5), hold(kube, "t-killed", ignore) as lease:
        assert f"process {child.pid}." in lease.inherited


async def killed_upgrade(connection: Connection, cluster: Cluster, upgrade: Upgrade, tmp_path: Path) -> None:
    """Helm dies in the middle of an upgrade: its last write is cut off and it is killed."""
    gate = Gate(connection.socket)
    async with gate.open():
        helming = asyncio.create_task(helm_through(gate, cluster, tmp_path).upgrade(upgrade))
        while not any("configmaps" in write.path for write in gate.writes):
            await asyncio.sleep(0.005)
        gate.close("as if the machine had died")
        helming.cancel()
        await asyncio.gather(helming, return_exceptions=True)


@pytest.mark.parametrize("first", [True, False], ids=["install", "upgrade"])
async def test_a_release_left_pending_is_healed_and_deployed(
    connection: Connection, cluster: Cluster, namespace: str, chart: Path, tmp_path: Path, *, first: bool
) -> None:
    kube, upgrade = Kube(connection.client), Upgrade("r", namespace, chart, [], {"key": "2"})
    gate = Gate(connection.socket)
    async with gate.open():
        helm = helm_through(gate, cluster, tmp_path)
        if not first:
            await helm.upgrade(Upgrade("r", namespace, chart, [], {"key": "1"}))
        await killed_upgrade(connection, cluster, upgrade, tmp_path)
        helm = helm_through(gate, cluster, tmp_path)
        with pytest.raises(ReleaseError, match="not deployed"):
            await helm.upgrade(upgrade)
        mine = Lease("r", "me", "", datetime.now(UTC), lambda: datetime.now(UTC))
        with pytest.raises(RefusedError, match="another helm is at work"):
            await heal_release(kube, "r", namespace, mine, ignore)
        mine.inherited = "a run that was killed"
        assert await heal_release(kube, "r", namespace, mine, ignore)
        await helm.upgrade(upgrade)
        history = await helm.history("r", namespace)
    assert isinstance(history, Present)
    assert history.value[-1].status == "deployed"
    assert not await heal_release(kube, "r", namespace, mine, ignore)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"image": "localhost:1/no/such:image", "pull": "Always", "command": []}, "ImagePullBackOff"),
        ({**OWN_IMAGE, "command": ["no-such-program"]}, "CrashLoopBackOff|RunContainerError|StartError"),
        ({**OWN_IMAGE, "command": ["node"]}, "CrashLoopBackOff"),
    ],
    ids=["no image", "no program", "crash"],
)
async def test_a_pod_that_cannot_start_ends_the_wait_early_with_the_reason(  # noqa: PLR0917 - fixtures
    connection: Connection,
    cluster: Cluster,
    namespace: str,
    chart: Path,
    tmp_path: Path,
    values: dict[str, object],
    reason: str,
) -> None:
    (chart / "templates" / "thing.yaml").write_text(DEPLOYMENT)
    kube, gate = Kube(connection.client), Gate(connection.socket)
    async with asyncio.timeout(75), gate.open():
        watch = rollout.refuse_hopeless(kube, namespace, set(), Redactor())
        with pytest.raises(ReleaseError, match=reason) as caught:
            await upgrade_release(
                helm_through(gate, cluster, tmp_path), Upgrade("r", namespace, chart, [], values), gate, watch
            )
    assert "pod" in caught.value.where
    assert "thing" in caught.value.why


async def test_a_ready_release_is_rolled_out(
    connection: Connection, cluster: Cluster, namespace: str, chart: Path, tmp_path: Path
) -> None:
    (chart / "templates" / "thing.yaml").write_text(DEPLOYMENT)
    values = {**OWN_IMAGE, "command": ["etcd"]}
    gate, kube, told = Gate(connection.socket), Kube(connection.client), list[Event]()
    async with gate.open():
        await helm_through(gate, cluster, tmp_path).upgrade(Upgrade("r", namespace, chart, [], values))
        await rollout.wait_rolled_out(kube, namespace, 30, told.append, Redactor())
    assert [event.text for event in told if not isinstance(event, Line)] == [  # type: ignore[union-attr]
        f"kubectl rollout status --namespace {namespace} --watch deployment.apps/thing"
    ]


async def test_what_is_wrong_is_explained_without_secrets(
    kube: Kube, namespace: str, cluster: Cluster
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "leaky"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "main",
                    "image": OWN_IMAGE["image"],
                    "imagePullPolicy": "Never",
                    "command": ["etcd", "--no-such-flag"],
                }
            ],
        },
    }
    await kube.create(f"/api/v1/namespaces/{namespace}/pods", pod)
    await cluster.run(
        "wait", "-n", namespace, "pod/leaky", "--for=jsonpath={.status.phase}=Failed", "--timeout=30s"
    )
    text = await rollout.explain(kube, namespace, Redactor([Secret("Show the version of etcd")]))
    assert "main | " in text
    assert "***" in text
    assert "the version of etcd" not in text


async def test_a_refusal_of_the_api_server_names_the_object(kube: Kube, namespace: str) -> None:
    with pytest.raises(ClusterError) as caught:
        await kube.create(f"/api/v1/namespaces/{namespace}/pods", {"apiVersion": "v1", "kind": "Pod"})
    assert f"POST /api/v1/namespaces/{namespace}/pods" in caught.value.where
    assert json.dumps("name") not in caught.value.hint
