"""The errors of the first month, as somebody meets them: what, where, why, what next; refused before anything."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster.conftest import NAME, PROJECT, Cluster, Fleet, free_port
from cluster.forge import git
from cluster.test_deploy import deploy_py, make_fleet
from hubops.local.instance import load_instance

HUB = "hub-charts/staginghub"
FAILED, USAGE, REFUSED = 1, 2, 20
Edit = Callable[[Path], None]


def write(name: str, text: str) -> Edit:
    def edit(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    return edit


def remove(name: str) -> Edit:
    return lambda root: (root / name).unlink()


def replace(name: str, old: str, new: str) -> Edit:
    def edit(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return edit


def together(*edits: Edit) -> Edit:
    def edit(root: Path) -> None:
        for each in edits:
            each(root)

    return edit


def elsewhere(context: str, registry: str = "localhost:REGISTRY", name: str = "campus") -> Edit:
    """The hubs on a cluster of the kubeconfig; the real one knows itself as `local`."""
    settings = {
        "registry": registry,
        "image-name": "hubops/{name}",
        "clusters": {name: {"kubeconfig-context": context, "url": "http://localhost:1"}},
    }
    hub = f"stage: staging\ncluster: {name}\nimage: earth\n"
    return together(
        write("hubops.yaml", json.dumps(settings)),
        write(f"{HUB}/hub.yaml", hub),
        write("hub-charts/earthhub/hub.yaml", hub),
    )


@dataclass(frozen=True)
class Case:
    """What is wrong in the repository, and what the message must say of it."""

    edit: Edit
    parts: tuple[str, ...]
    words: tuple[str, ...] = ("--no-setup", "--build", "--push", "--deploy")
    hub: str = "staginghub"
    code: int = REFUSED
    env: Mapping[str, str] = field(default_factory=dict)


CASES = {
    "unknown hub": Case(
        lambda _: None, ("there is no hub stagehub", "hub-charts/", "Did you mean staginghub?"),
        hub="stagehub", code=USAGE,
    ),
    "no Chart.yaml": Case(
        remove(f"{HUB}/Chart.yaml"), ("the hub staginghub has no Chart.yaml", HUB, "Say which JupyterHub chart")
    ),
    "values that are not YAML": Case(
        write(f"{HUB}/values.yaml", "jupyterhub:\n  hub: {\n"), ("this is not YAML", f"{HUB}/values.yaml:3:1")
    ),
    "a key the chart does not know": Case(
        replace(f"{HUB}/values.yaml", "defaultUrl", "defaultURL"),
        ("unknown key singleuser.defaultURL", f"{HUB}/values.yaml:4:5", "the chart jupyterhub", "Did you mean defaultUrl?"),
    ),
    "Dockerfile missing": Case(
        remove("user-images/earth/Dockerfile"), ("there is no image earth", "hub-charts/earthhub/hub.yaml:3:1", "Known: edge, hub, proxy.")
    ),
    "Dockerfile failing": Case(
        write("user-images/earth/Dockerfile", "FROM debian:bookworm-slim\nRUN for n in $(seq 30); do echo line $n; done; false\n"),
        ("the image earth was not built", "user-images/earth/Dockerfile:2", "line 30", "exit code 1", "Correct the Dockerfile"),
        code=FAILED,
    ),
    "registry down": Case(
        elsewhere("CONTEXT", "localhost:1"), ("the registry localhost:1 does not answer", "log in to it"), (), code=FAILED
    ),
    "cluster away": Case(
        elsewhere("away"), ("the cluster does not answer", "connection refused", "next:"), (), code=FAILED
    ),
    "no such context": Case(
        elsewhere("nowhere"), ("the Kubernetes context nowhere cannot be used", "kubectl config get-contexts"), (), code=FAILED
    ),
    "wrong cluster behind the context": Case(
        elsewhere("CONTEXT"), ("this is not the cluster campus", "hubops.yaml: clusters.campus", "set up as local"), ()
    ),
    "secrets missing": Case(
        elsewhere("CONTEXT", name="local"), ("secrets/staginghub.yaml", "next:"), ()
    ),
    "secrets in plain": Case(
        together(
            elsewhere("CONTEXT", name="local"), write("secrets/staginghub.yaml", "hub: {cookieSecret: abcdef}\n")
        ),
        ("secrets/staginghub.yaml", "plain", "next:"), (),
    ),
    "no git repository": Case(
        elsewhere("CONTEXT", name="local"), ("this is no git repository with a commit", "git init"), ("--deploy",)
    ),
}  # fmt: skip


@pytest.fixture
def contexts(cluster: Cluster, tmp_path: Path) -> Mapping[str, str]:
    """An operator's kubeconfig: the real cluster, and one that nobody answers for."""
    config = json.loads(json.dumps({"apiVersion": "v1", "kind": "Config"}))
    config["clusters"] = [{"name": "away", "cluster": {"server": "http://127.0.0.1:1"}}]
    config["contexts"] = [{"name": "away", "context": {"cluster": "away", "user": ""}}]
    (tmp_path / "away.json").write_text(json.dumps(config))
    return {"KUBECONFIG": f"{cluster.kubeconfig}{os.pathsep}{tmp_path / 'away.json'}"}


@pytest.mark.parametrize("name", CASES)
async def test_an_error_says_what_where_why_and_what_next(
    fleet: Fleet, cluster: Cluster, contexts: Mapping[str, str], tmp_path: Path, name: str
) -> None:
    assert fleet.hubs
    case, root = CASES[name], make_fleet(tmp_path)
    case.edit(root)
    settings = root / "hubops.yaml"
    port = load_instance(NAME).registry_port
    settings.write_text(
        settings.read_text().replace("REGISTRY", str(port)).replace("CONTEXT", cluster.context)
    )
    before = await releases(cluster)
    ended = await deploy_py(case.hub, *case.words, root=root, env={**contexts, **case.env})
    assert [part for part in case.parts if part not in ended.text] == []
    assert ended.code == case.code
    assert "Traceback" not in ended.text
    assert "error: " in ended.text
    assert await releases(cluster) == before


async def releases(cluster: Cluster) -> str:
    fields = "jsonpath={.items[*].metadata.resourceVersion}"
    return await cluster.run("get", "secret", "-A", "-l", "owner=helm", "-o", fields)


async def test_a_merge_wants_a_whole_clone_of_what_others_have(tmp_path: Path) -> None:
    root = make_fleet(tmp_path / "whole")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    git(root, "commit", "-q", "--allow-empty", "-m", "two")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{root}", "shallow")
    (root / "hubops.yaml").write_text((root / "hubops.yaml").read_text() + "# changed\n")
    for directory, parts in {
        tmp_path / "shallow": ("this clone is shallow", "fetch-depth: 0"),
        root: ("files differ from the commit", "M hubops.yaml", "git stash"),
    }.items():
        code, text = await merge(directory)
        assert code == REFUSED
        assert [part for part in parts if part not in text] == []
        assert "Traceback" not in text


async def merge(root: Path) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubops.cli.main", "ci", "merge"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=root,
        env={**os.environ, "HUBOPS_LOCAL": NAME},
    )
    out, _ = await child.communicate()
    return await child.wait(), out.decode()


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        child = await asyncio.create_subprocess_exec(
            *(PROJECT / "hubops", "local", "up", "--name", "hubops-taken", "--port", str(free_port())),
            *("--registry-port", str(port)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await child.communicate()
    text = out.decode()
    assert child.returncode == FAILED
    assert f"port {port} is taken" in text
    assert "Traceback" not in text
    assert not load_instance("hubops-taken").directory.exists()
