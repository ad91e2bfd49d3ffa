"""No secret of a hub, nor the cluster's credentials, is seen outside while commands work on a cluster."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest
import yaml

from cluster.conftest import NAME, PROJECT, Cluster, Fleet, show
from cluster.object_store import BUCKET, SECRET, serve_store
from fast.canary import Watch
from hubops.desired.values import texts
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
