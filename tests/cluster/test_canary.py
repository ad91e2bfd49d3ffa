"""No secret of a hub, nor the cluster's credentials, is seen outside while commands work on a cluster."""

import os
import signal
from pathlib import Path

import pytest
import yaml

from cluster.conftest import NAME, PROJECT, Cluster, Fleet, show
from fast.canary import Watch
from hubops.local.instance import load_instance
from hubops.local.secrets import load_or_create
from hubops.local.toolchain import require_tool
from hubops.run.session import leaves

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
    found = {f"secret {number}": value for number, value in enumerate(leaves(values))}
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
