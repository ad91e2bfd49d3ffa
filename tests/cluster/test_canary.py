"""No secret of a hub, nor the cluster's credentials, is seen outside while commands work on a cluster."""

import asyncio
import os
import re
import signal
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from cluster.commands import deploy_unproved, forgotten
from cluster.conftest import NAME, PROJECT, Cluster, Fleet, show
from cluster.forge import make_origin
from cluster.object_store import BUCKET, SECRET, serve_store
from cluster.test_archive import make_hub
from fast.canary import Seen, Watch
from hubops.desired.values import texts
from hubops.local import base_image
from hubops.local.instance import load_instance
from hubops.local.secrets import load_or_create
from hubops.local.toolchain import require_tool

HUB = "staginghub"
COMMANDS = [
    f"deploy.py {HUB}",
    f"--verbose deploy.py {HUB} --no-setup --deploy",
    f"deploy {HUB}",
    f"verify {HUB}",
    "plan --format json",
    "status",
    f"history {HUB}",
    f"logs {HUB}",
    "local up",
    pytest.param(f"chart upgrade {HUB} 0.1.0 --rehearse --names", marks=pytest.mark.long),
]


@pytest.fixture
async def watch(fleet: Fleet, tmp_path: Path) -> Watch:
    assert HUB in fleet.hubs
    (tmp_path / "operations").symlink_to(PROJECT)
    tools = [str((await require_tool(name, show)).parent) for name in ("sops", "helm", "kubectl")]
    path = os.pathsep.join([*tools, os.environ["PATH"]])
    return Watch(tmp_path, {**os.environ, "HUBOPS_LOCAL": NAME, "PATH": path})


@pytest.fixture
def canaries(cluster: Cluster) -> dict[str, str]:
    values = load_or_create(load_instance(NAME).directory / "secrets", HUB)
    found = {f"secret {number}": value for number, value in enumerate(texts(values))}
    user = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]
    return {**found, "client key": user["client-key-data"]}


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_on_a_cluster_shows_no_secret(words: str, watch: Watch, canaries: dict[str, str]) -> None:
    seen = watch.run(words.split())
    assert seen.leaks(canaries) == set()
    assert seen.code == 0, seen.output


# In a repository of the test's own: the first two write into it, and the last one asks its branches.
OWN = {
    "add": f"user add {HUB} guest --now",
    "remove": f"user remove {HUB} guest --now",
    "build": "--verbose build tiny",
    "prune": "images prune",
}


def look(watch: Watch, directory: Path, root: Path, words: str) -> Seen:
    directory.mkdir()
    (directory / "operations").symlink_to(root)
    return Watch(directory, watch.env).run(words.split())


@pytest.mark.parametrize("words", OWN.values(), ids=OWN.keys())
def test_own_files(words: str, watch: Watch, canaries: dict[str, str], tmp_path: Path) -> None:
    """Of a name so short because a socket's path may not be long."""
    root = make_origin(tmp_path).work
    (root / "user-images/tiny").mkdir()
    dockerfile = f"FROM {base_image.NAME}\nRUN echo {uuid4().hex} > /word\nUSER 1000\n"
    (root / "user-images/tiny/Dockerfile").write_text(dockerfile)
    seen = look(watch, tmp_path / "1", root, words)
    assert seen.leaks(canaries) == set()
    assert seen.code == 0, seen.output


@pytest.mark.long
async def test_removal(watch: Watch, canaries: dict[str, str], cluster: Cluster, tmp_path: Path) -> None:
    """A hub with secrets of its own: archived, removed, deployed anew, and restored."""
    hub, root = "canaryhub", make_hub(tmp_path / "fleet", "canaryhub")
    directory = load_instance(NAME).directory / "secrets"
    archives = tmp_path / "archives"

    async def run(number: int, words: str) -> None:
        own = {f"own {at}": value for at, value in enumerate(texts(load_or_create(directory, hub)))}
        seen = await asyncio.to_thread(look, watch, tmp_path / str(number), root, words)
        assert seen.leaks({**canaries, **own}) == set()
        assert seen.code == 0, seen.output

    async with forgotten(cluster, hub):
        await deploy_unproved(root, hub)
        await run(1, f"archive {hub} --to {archives}")
        [archive] = archives.iterdir()
        await run(2, f"remove {hub} --yes-remove {hub}")
        await deploy_unproved(root, hub)
        await run(3, f"restore {hub} --from {archive} --replace hub-db-dir")


@pytest.mark.long
@pytest.mark.parametrize("after_s", [1, 2, 4, 8])
def test_a_deploy_that_is_killed_leaves_no_secret(
    after_s: float, watch: Watch, canaries: dict[str, str]
) -> None:
    killed = Watch(watch.directory, watch.env, kill=signal.SIGKILL, after_s=after_s)
    assert killed.run(["deploy.py", HUB, "--no-setup", "--deploy"]).leaks(canaries) == set()


@pytest.mark.long
async def test_an_archive_in_an_object_store_shows_no_key(
    watch: Watch, canaries: dict[str, str], tmp_path: Path
) -> None:
    """Programs that we start have the variables too: a login to a cluster may need them."""
    async with serve_store(tmp_path / "store") as store:
        env = {**watch.env, **store.env}
        words = ["archive", HUB, "--to", f"s3://{BUCKET}/hubs"]
        seen = await asyncio.to_thread(Watch(tmp_path, env).run, words)
        leaks = seen.leaks({**canaries, "key": SECRET})
        assert {
            leak for leak in leaks if not re.match(r"key in (environ of|log/\w+\.environ)", leak)
        } == set()
        assert seen.code == 0, seen.output
        assert any(key.endswith("manifest.json") for key in store.objects)
