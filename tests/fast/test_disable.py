"""A hub that is not to run: its file, what a deploy does with it, and that nothing of its data is touched."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fast.memory_api import MemoryApi
from hubops import run as run_stages
from hubops.cli import disable, verify
from hubops.cli.edge import edge_values
from hubops.desired.model import Cluster, Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.errors import RefusedError, UsageError
from hubops.execute.content import forget_content, read_deployed
from hubops.execute.scale import find_running, stop
from hubops.plan.model import Course
from hubops.secret import Redactor

HUB_YAML = "hub-charts/staginghub/hub.yaml"


@pytest.fixture
def root(operations: Path) -> Path:
    return operations


def run(command: Any, *words: str) -> Result:
    return CliRunner().invoke(command, words)


TEXTS = [
    "stage: staging\nimage: notebook",
    "# a\nstage: staging   # b\n\n# end\n\n",
    "{stage: staging}\n",
    "stage: staging\r\nimage: notebook\r\n",
    None,
]


@pytest.mark.parametrize("text", TEXTS)
def test_enable_undoes_disable_byte_for_byte(root: Path, text: str | None) -> None:
    file = root / HUB_YAML
    file.unlink()
    if text is not None:
        file.write_bytes(text.encode())
    assert run(disable.command, "staginghub", "Until: winter").exit_code == 0
    assert load_fleet(root).hubs["staginghub"].disabled == "Until: winter"
    assert run(disable.enable, "staginghub").exit_code == 0
    assert (file.read_bytes().decode() if file.exists() else None) == text


@pytest.mark.usefixtures("root")
def test_it_says_what_the_next_deploy_does() -> None:
    down = run(disable.command, "staginghub", "Until winter")
    assert "+disabled: Until winter\n" in down.output
    assert (
        "staginghub: disable (Until winter; its data stays, its people's servers are ended)\n" in down.output
    )
    again = run(disable.command, "staginghub", "Until winter")
    assert again.output == "staginghub is disabled so already.\n"
    other = run(disable.command, "staginghub", "Until spring")
    assert "staginghub: nothing (it is disabled: Until spring)" in other.output
    up = run(disable.enable, "staginghub")
    assert "staginghub: deploy (it was disabled)" in up.output
    assert run(disable.enable, "staginghub").output == "staginghub is enabled already.\n"


def test_it_says_where_nobody_will_read_the_reason(root: Path) -> None:
    """Only the local cluster's address is hubops' own, and has a page."""
    said = "On campus nobody reads the reason"
    assert said not in run(disable.command, "staginghub", "Until winter").output
    with (root / "hubops.yaml").open("a") as file:
        file.write("  campus: {kubeconfig-context: campus, url: https://hubs.example.org}\n")
    settings = root / HUB_YAML
    settings.write_text(settings.read_text().replace("cluster: local", "cluster: campus"))
    assert load_fleet(root).hubs["staginghub"].cluster.name == "campus"
    assert said in run(disable.command, "staginghub", "Until spring").output


def test_it_names_the_hubs_that_it_proves(root: Path) -> None:
    (root / "hub-charts/earth").mkdir()
    for name in ("Chart.yaml", "Chart.lock"):
        text = (root / "hub-charts/staginghub" / name).read_text().replace("staginghub", "earth")
        (root / "hub-charts/earth" / name).write_text(text)
    (root / "hub-charts/earth/hub.yaml").write_text("proved-by: staginghub\n")
    assert "proves nothing new for earth" in run(disable.command, "staginghub", "Until winter").output


@pytest.mark.parametrize("reason", ["", " ", "a\nb"])
def test_a_reason_is_one_line(root: Path, reason: str) -> None:
    before = (root / HUB_YAML).read_bytes()
    assert isinstance(run(disable.command, "staginghub", reason).exception, UsageError)
    assert (root / HUB_YAML).read_bytes() == before


@pytest.mark.usefixtures("root")
def test_a_hub_that_does_not_run_is_not_verified() -> None:
    run(disable.command, "staginghub", "Until winter")
    error = run(verify.command, "staginghub").exception
    assert isinstance(error, RefusedError)
    assert error.why == "Until winter"


def test_the_edge_is_told(root: Path) -> None:
    run(disable.command, "staginghub", "Until winter")
    (listed,) = edge_values(list(load_fleet(root).hubs.values()), {})["hubs"]
    assert listed == {
        "name": "staginghub",
        "path": "/staginghub/",
        "namespace": "staginghub",
        "disabled": "Until winter",
    }


# --- on the cluster

APPS, CORE = "/apis/apps/v1/namespaces/earth", "/api/v1/namespaces/earth"
RELEASE = {"meta.helm.sh/release-name": "earth"}
REVISION = {
    "metadata": {
        "name": "sh.helm.release.v1.earth.v2",
        "labels": {"owner": "helm", "name": "earth", "version": "2", "status": "deployed", "hubops.dev/content": "2.abc"},
    }
}  # fmt: skip


def workload(name: str, replicas: int, release: str = "earth") -> dict[str, Any]:
    annotations = {"meta.helm.sh/release-name": release}
    about = {"name": name, "uid": name, "namespace": "earth", "generation": 1, "annotations": annotations}
    return {"metadata": about, "spec": {"replicas": replicas}, "status": {"observedGeneration": 1}}


def pod(name: str, component: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"component": component}}}


def objects() -> dict[str, Any]:
    return {
        f"{APPS}/deployments/hub": workload("hub", 1),
        f"{APPS}/deployments/proxy": workload("proxy", 1),
        f"{APPS}/deployments/other": workload("other", 1, "somebody-elses"),
        f"{APPS}/statefulsets/user-placeholder": workload("user-placeholder", 3),
        f"{CORE}/pods/jupyter-ada": pod("jupyter-ada", "singleuser-server"),
        f"{CORE}/pods/hub-1": pod("hub-1", "hub"),
        f"{CORE}/persistentvolumeclaims/claim-ada": {"metadata": {"name": "claim-ada"}},
        f"{CORE}/secrets/sh.helm.release.v1.earth.v2": json.loads(json.dumps(REVISION)),
    }


async def test_what_a_release_runs_is_stopped_and_everything_else_stays() -> None:
    api = MemoryApi()
    api.objects = objects()
    async with api.open() as kube:
        workloads, servers = await find_running(kube, "earth", "earth")
        await stop(kube, workloads, servers)
        assert await find_running(kube, "earth", "earth") == ([], [])
    assert api.writes == [
        f"PATCH {APPS}/deployments/hub",
        f"PATCH {APPS}/deployments/proxy",
        f"PATCH {APPS}/statefulsets/user-placeholder",
        f"DELETE {CORE}/pods/jupyter-ada",
    ]
    assert api.objects[f"{APPS}/deployments/hub"]["spec"]["replicas"] == 0
    assert api.objects[f"{APPS}/deployments/other"]["spec"]["replicas"] == 1
    assert f"{CORE}/persistentvolumeclaims/claim-ada" in api.objects


async def test_a_release_forgets_what_it_was_deployed_from_once() -> None:
    api = MemoryApi()
    api.objects = objects()
    async with api.open() as kube:
        assert (await read_deployed(kube, "earth", "earth")).ours
        await forget_content(kube, "earth", "earth")
        await forget_content(kube, "earth", "earth")
        found = await read_deployed(kube, "earth", "earth")
    assert (found.ours, found.content) == (False, "")
    assert api.writes == [f"PATCH {CORE}/secrets/sh.helm.release.v1.earth.v2"]


HUB = Hub(
    "earth", directory=Path(), stage="staging", cluster=Cluster("local", local=True), image="earth", release="earth",
    namespace="earth", path="/earth/", prefix="", values={}, proved_by="staging", disabled="Until winter",
)  # fmt: skip
FLEET = Fleet(Path("/nowhere"), registry="", image_name="", hubs={"earth": HUB}, images={})
WAYS: Any = None  # nobody asks another cluster


@pytest.fixture
async def session(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """An API server in memory; the lease and the gate before it have tests of their own."""
    api = MemoryApi()
    api.objects = objects()

    @asynccontextmanager
    async def hold(session: Any, name: str) -> AsyncIterator[Any]:
        assert name == "earth"
        yield SimpleNamespace(kube=session.kube)

    monkeypatch.setattr("hubops.run.disable.hold_and_write", hold)
    async with api.open() as kube:
        yield SimpleNamespace(kube=kube, api=api, emit=lambda event: None, redactor=Redactor())


async def test_a_deploy_of_a_disabled_hub_stops_it_once_and_needs_no_proof(session: Any) -> None:
    planned = await run_stages.plan_hub(FLEET, HUB, session, WAYS)
    assert planned.action == "disable"
    first = await run_stages.deploy_in_turn(FLEET, HUB, session, run_stages.Terms(), WAYS)
    assert (first.decision.course, first.made.stopped) == (Course.DISABLED, True)
    label, *rest = session.api.writes
    assert label == f"PATCH {CORE}/secrets/sh.helm.release.v1.earth.v2"
    assert len(rest) == 4
    second = await run_stages.deploy_in_turn(FLEET, HUB, session, run_stages.Terms(), WAYS)
    assert not second.made.stopped
    assert len(session.api.writes) == 5
    planned = await run_stages.plan_hub(FLEET, HUB, session, WAYS)
    assert (planned.action, planned.reason) == ("nothing", "it is disabled: Until winter")
