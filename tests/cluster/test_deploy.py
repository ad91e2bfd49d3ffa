"""deploy.py as CI calls it: the original commands, nothing else touched, and healed after a kill anywhere."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from cluster.conftest import NAME, PROJECT, Cluster, Fleet
from hubops import run
from hubops.cli.edge import deploy_edge
from hubops.cli.machine import load_machine
from hubops.clients import process
from hubops.desired.repository import load_fleet
from hubops.desired.values import merge, texts
from hubops.desired.yaml import parse_yaml
from hubops.events import Event
from hubops.local import paths
from hubops.local.instance import load_instance
from hubops.secret import Redactor

UPSTREAM_VALUES = """
jupyterhub:
  hub:
    db:
      pvc:
        annotations: {helm.sh/resource-policy: keep}
  singleuser:
    cloudMetadata: {blockWithIptables: false}
  scheduling:
    userScheduler: {enabled: false}
  prePuller:
    hook: {enabled: false}
    continuous: {enabled: false}
"""


class Ended:
    """A deploy.py that ended: its exit code and everything it printed."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text


async def deploy_py(
    *arguments: str,
    kill_at: str = "",
    after_s: float = 0,
    at_line: tuple[str, Callable[[], Awaitable[None]]] | None = None,
    env: dict[str, str] | None = None,
    root: Path = PROJECT,
) -> Ended:
    """Run deploy.py in a process group of its own; SIGKILL the group `after_s` after it printed `kill_at`.

    `at_line` is something else to do when it prints a text.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROJECT / "deploy.py"), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        cwd=root,
        env={**os.environ, "HUBOPS_LOCAL": NAME, **(env or {})},
    )
    assert child.stdout
    lines = []
    async for raw in child.stdout:
        lines.append(raw.decode())
        print(raw.decode().rstrip())  # noqa: T201 - shown when the test fails
        if at_line and at_line[0] in raw.decode():
            await at_line[1]()
        if kill_at and kill_at in raw.decode():
            await asyncio.sleep(after_s)
            os.killpg(child.pid, signal.SIGKILL)
            break
    await child.stdout.read()
    return Ended(await child.wait(), "".join(lines))


async def volumes(cluster: Cluster, hub: str) -> dict[str, str]:
    """Every claim of a hub, by name, with its uid and volume."""
    claims = json.loads(await cluster.run("get", "pvc", "-n", hub, "-o", "json"))["items"]
    return {c["metadata"]["name"]: f"{c['metadata']['uid']} {c['spec']['volumeName']}" for c in claims}


def secrets_of(hub: str) -> list[str]:
    text = (load_instance(NAME).directory / "secrets" / f"{hub}.json").read_text()
    return list(texts(json.loads(text)))


async def test_deploying_prints_the_original_commands_and_no_secret(fleet: Fleet, tmp_path: Path) -> None:
    ended = await deploy_py(
        "staginghub", "--build", "--push", "--deploy", root=make_fleet(tmp_path, uuid4().hex)
    )
    assert ended.code == 0
    assert fleet.hubs
    commands = re.findall(r"^\$  (.*)$", ended.text, re.MULTILINE)
    copy = r"/\S+/hub-charts/staginghub"
    expected = [
        rf"helm dependency build {copy}",
        (
            rf"helm upgrade --install --namespace staginghub --create-namespace staginghub {copy} --wait"
            rf" --timeout 600s --cleanup-on-fail -f /\S+/values.yaml -f -"
        ),
        r"kubectl rollout status --namespace staginghub --watch deployment.apps/hub",
        r"kubectl rollout status --namespace staginghub --watch deployment.apps/proxy",
    ]
    assert len(commands) == len(expected)
    for command, pattern in zip(commands, expected, strict=True):
        assert re.fullmatch(pattern, command)
    assert not [secret for secret in secrets_of("staginghub") if secret in ended.text]


async def test_deploying_again_writes_nothing_and_plain_helm_is_noticed(
    fleet: Fleet, cluster: Cluster, tmp_path: Path
) -> None:
    assert fleet.hubs
    root = make_fleet(tmp_path, uuid4().hex)
    assert (await deploy_py("staginghub", "--deploy", root=root)).code == 0
    before = await releases(cluster)
    again = await deploy_py("staginghub", "--deploy", root=root)
    assert "ok deploy staginghub: nothing changed" in again.text
    assert "helm upgrade" not in again.text
    assert "start a server" not in again.text
    assert await releases(cluster) == before
    arguments = [
        "rollback",
        "staginghub",
        "--namespace",
        "staginghub",
        "--kubeconfig",
        str(cluster.kubeconfig),
    ]
    await process.run([cluster.helm, *arguments])
    assert "helm upgrade" in (await deploy_py("staginghub", "--deploy", root=root)).text


async def releases(cluster: Cluster) -> str:
    fields = "jsonpath={.items[*].metadata.resourceVersion}"
    return await cluster.run("get", "secret", "-n", "staginghub", "-l", "owner=helm", "-o", fields)


async def test_without_options_only_the_setup_is_checked(fleet: Fleet, cluster: Cluster) -> None:
    before = await cluster.run("get", "all,secret,lease", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
    ended = await deploy_py("staginghub")
    assert ended.code == 0
    assert ended.text.count("ok check ") == 4
    assert fleet.hubs
    assert before == await cluster.run(
        "get", "all,secret,lease", "-A", "-o", "jsonpath={.items[*].metadata.uid}"
    )


async def test_an_unknown_hub_is_refused_with_the_nearest_name(fleet: Fleet) -> None:
    assert fleet.hubs
    ended = await deploy_py("stagehub", "--deploy")
    assert ended.code == 2
    assert "Did you mean staginghub?" in ended.text


@pytest.mark.parametrize(
    ("kill_at", "after_s"),
    [
        pytest.param("check registry", 0, marks=pytest.mark.long),
        pytest.param("image earth", 0, marks=pytest.mark.long),
        pytest.param("helm dependency build", 0, marks=pytest.mark.long),
        ("helm upgrade", 0.4),
        pytest.param("helm upgrade", 2, marks=pytest.mark.long),
        pytest.param("kubectl rollout status", 0, marks=pytest.mark.long),
        pytest.param("start a server", 0.5, marks=pytest.mark.long),
        pytest.param("run the notebook", 0.5, marks=pytest.mark.long),
        pytest.param("remove the probe person ...", 0.5, marks=pytest.mark.long),
    ],
)
async def test_a_killed_deploy_is_healed_by_the_next(
    fleet: Fleet, cluster: Cluster, tmp_path: Path, kill_at: str, after_s: float
) -> None:
    assert fleet.hubs
    root = make_fleet(tmp_path, uuid4().hex)
    before = await volumes(cluster, "staginghub")
    words = ("staginghub", "--build", "--push", "--deploy")
    killed = await deploy_py(*words, kill_at=kill_at, after_s=after_s, root=root)
    assert killed.code == -signal.SIGKILL
    ended = await deploy_py(*words, root=root)
    assert ended.code == 0
    assert "ok verify staginghub" in ended.text  # the proof of an earlier revision does not count
    assert {n: v for n, v in (await volumes(cluster, "staginghub")).items() if "probe" not in n} == before
    pods = await cluster.run("get", "pods", "-n", "staginghub", "-o", "name")
    assert "hubops-probe" not in pods


def seed(home: Path) -> dict[str, str]:
    """A person's own configuration, of other clusters and registries; returns it by path and digest."""
    files = {
        ".kube/config": json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "elsewhere",
                "clusters": [{"name": "elsewhere", "cluster": {"server": "https://192.0.2.1:6443"}}],
                "contexts": [{"name": "elsewhere", "context": {"cluster": "elsewhere", "user": "me"}}],
                "users": [{"name": "me", "user": {"token": "mine"}}],
            }
        ),
        ".docker/config.json": json.dumps({"credHelpers": {"registry.example.org": "mine"}}),
        ".config/helm/repositories.yaml": 'apiVersion: ""\nrepositories: []\n',
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return contents(home)


def contents(home: Path) -> dict[str, str]:
    files = (path for path in sorted(home.rglob("*")) if path.is_file())
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


async def test_a_persons_own_configuration_stays_byte_identical(fleet: Fleet, tmp_path: Path) -> None:
    assert fleet.hubs
    home = tmp_path / "home"
    before = seed(home)
    env = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(paths.cache_dir().parent),
        "XDG_STATE_HOME": str(paths.state_dir().parent),
    }
    environ = {**os.environ, **env}
    await process.run([sys.executable, "-m", "hubops.cli.main", "local", "up", "--name", NAME], env=environ)
    root = make_fleet(tmp_path / "elsewhere", uuid4().hex)
    assert (await deploy_py("staginghub", "--build", "--push", "--deploy", env=env, root=root)).code == 0
    assert contents(home) == before


async def test_a_clone_stays_clean(fleet: Fleet) -> None:
    assert fleet.hubs
    ignored = {".git", "build"}
    written = [p for p in PROJECT.iterdir() if p.name not in ignored and not p.name.startswith(".")]
    caches = [found for path in written if path.is_dir() for found in path.rglob("charts/*.tgz")]
    assert caches == []


async def test_the_upstream_chart_is_deployed_and_proved_by_the_same_engine(
    fleet: Fleet, cluster: Cluster, upstream_chart: Path, tmp_path: Path
) -> None:
    """Zero to JupyterHub's own chart, with our images; the edge leads to it as to the others."""
    root = make_upstream_fleet(tmp_path, upstream_chart)
    await process.run([cluster.helm, "dependency", "update", root / "hub-charts" / "upstreamhub"])
    desired = load_fleet(root)
    os.environ["HUBOPS_LOCAL"] = NAME

    def show(event: Event) -> None:
        print(event)  # noqa: T201

    machine = await load_machine(desired, desired.hubs["upstreamhub"].cluster, show)
    edge = (await run.build_images(desired, ["edge"], machine.registry, machine.workshop, show, push=True))[
        "edge"
    ]
    async with run.open_session(machine, show, Redactor()) as session:
        await deploy_edge(list(desired.hubs.values()), edge, session)
    try:
        ended = await deploy_py("upstreamhub", "--build", "--push", "--deploy", root=root)
        assert ended.code == 0
        assert "ok verify upstreamhub" in ended.text
        assert "hub-db-dir" in await volumes(cluster, "upstreamhub")
    finally:
        await cluster.run("delete", "namespace", "upstreamhub", "--wait=false", "--ignore-not-found")
        known = [hub for hub in desired.hubs.values() if hub.name in fleet.hubs]
        async with run.open_session(machine, show, Redactor()) as session:
            await deploy_edge(known, edge, session)


def make_fleet(directory: Path, change: str = "") -> Path:
    """A repository like ours; `change` is a setting of staginghub that makes it another."""
    root = directory / "operations"
    for name in ("hub-charts", "user-images", "images", "values", "charts"):
        shutil.copytree(PROJECT / name, root / name)
    shutil.copy(PROJECT / "hubops.yaml", root)
    if change:
        values = root / "hub-charts" / "staginghub" / "values.yaml"
        setting = {"jupyterhub": {"hub": {"extraEnv": {"CHANGE": change}}}}
        parsed = parse_yaml(values.read_text(), "values.yaml").value
        values.write_text(json.dumps(merge(parsed, setting)))
    return root


def make_upstream_fleet(directory: Path, archive: Path) -> Path:
    """A repository like ours with one hub more, whose chart is the upstream one."""
    root = make_fleet(directory)
    with tarfile.open(archive) as packed:
        packed.extractall(root / "upstream")  # noqa: S202 - the upstream chart
    hub = root / "hub-charts" / "upstreamhub"
    hub.mkdir()
    version = re.search(r"jupyterhub-(.+)\.tgz", archive.name)
    assert version
    dependency = {
        "name": "jupyterhub",
        "version": version[1],
        "repository": "file://../../upstream/jupyterhub",
    }
    chart = {"apiVersion": "v2", "name": "upstreamhub", "version": "0.1.0", "dependencies": [dependency]}
    (hub / "Chart.yaml").write_text(json.dumps(chart))
    (hub / "values.yaml").write_text(UPSTREAM_VALUES)
    (hub / "hub.yaml").write_text("stage: staging\nimage: earth\n")
    (hub / "people.yaml").write_text("admins: [teacher]\nallowed: [student]\n")
    return root
