"""A hub on a cluster of the operator's kubeconfig, with a registry whose login a credential helper has.

What is the operator's is used where it must be, and byte-identical afterwards.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from cluster.commands import lead_to
from cluster.conftest import Cluster, Fleet
from cluster.forge import DOCKERFILE, git
from cluster.own_hub import own_hub
from cluster.registry_server import PASSWORD, USER, serve_proxy
from cluster.test_deploy import contents, deploy_py, seed, volumes
from fast.vault import encrypt, make_key
from hubops.desired.values import merge
from hubops.local import paths
from hubops.local.instance import Instance
from hubops.local.secrets import generate
from hubops.local.up import Local

HUB = "campushub"
CONTEXT = "campus-admin"


@dataclass(frozen=True)
class Home:
    """A person's home, and what its credential helper was asked, a line each; the helper is on PATH."""

    directory: Path
    asked: Path
    env: dict[str, str]


def make_home(directory: Path, cluster: Cluster, registry: str) -> Home:
    """Settings of other clusters, the current context among them; ours is one of two, our registry's login a helper's."""
    home, tools, asked = directory / "home", directory / "tools", directory / "asked"
    seed(home)
    config = home / ".kube/config"
    config.write_text(json.dumps(with_context(json.loads(config.read_text()), cluster)))
    (home / ".docker/config.json").write_text(json.dumps({"credHelpers": {registry: "seeded"}}))
    tools.mkdir()
    login = json.dumps({"ServerURL": registry, "Username": USER, "Secret": PASSWORD})
    helper = tools / "docker-credential-seeded"
    helper.write_text(f"#!/bin/sh\necho \"$1 $(cat)\" >> '{asked}'\necho '{login}'\n")
    helper.chmod(0o755)
    env = {
        "HOME": str(home),
        "KUBECONFIG": "",
        "DOCKER_CONFIG": "",
        "PATH": os.pathsep.join([str(tools), os.environ["PATH"]]),
        "XDG_CACHE_HOME": str(paths.cache_dir().parent),
        "XDG_STATE_HOME": str(paths.state_dir().parent),
    }
    return Home(home, asked, env)


def with_context(config: dict[str, list[object]], cluster: Cluster) -> dict[str, object]:
    """The kubeconfig with one context more, which is not the current one."""
    own = yaml.safe_load(cluster.kubeconfig.read_text())
    names = {"cluster": "campus", "user": "campus"}
    return {
        **config,
        "clusters": [*config["clusters"], {"name": "campus", "cluster": own["clusters"][0]["cluster"]}],
        "users": [*config["users"], {"name": "campus", "user": own["users"][0]["user"]}],
        "contexts": [*config["contexts"], {"name": CONTEXT, "context": names}],
    }


@contextmanager
def known_to_the_node(instance: Instance, registry: str) -> Iterator[None]:
    """The node pulls from the tests' own registry what it is to pull from this one."""
    mirrors = instance.directory / "certs.d"
    shutil.copytree(mirrors / instance.registry, mirrors / registry)
    try:
        yield
    finally:
        shutil.rmtree(mirrors / registry)


async def make_production(root: Path, url: str, registry: str, key: Path) -> None:
    """The repository of a local hub as one for a cluster of the kubeconfig, committed and published."""
    settings = {
        "registry": registry,
        "image-name": "hubops/{name}",
        # The cluster knows itself by this name.
        "clusters": {"local": {"kubeconfig-context": CONTEXT, "url": url}},
    }
    (root / "hubops.yaml").write_text(json.dumps(settings))
    values = root / f"hub-charts/{HUB}/values.yaml"
    layers = (yaml.safe_load(file.read_text()) for file in (values, root / "values/local.yaml"))
    values.write_text(yaml.safe_dump(merge(*layers)))
    (root / "values/local.yaml").unlink()
    with (root / DOCKERFILE).open("a") as file:
        file.write(f"LABEL test={uuid4().hex}\n")  # so that it is built and pushed
    (root / "secrets").mkdir()
    recipient = (await make_key(key)).recipient
    (root / f"secrets/{HUB}.yaml").write_bytes(
        await encrypt(yaml.safe_dump({"jupyterhub": generate()}), recipient)
    )
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    git(root, "clone", "-q", "--bare", ".", str(root.parent / "origin.git"))
    git(root, "remote", "add", "origin", str(root.parent / "origin.git"))
    git(root, "fetch", "-q")


@pytest.mark.long
async def test_the_operators_context_and_login_are_used_and_stay_as_they_are(
    fleet: Fleet, cluster: Cluster, local: Local, tmp_path: Path
) -> None:
    async with own_hub(fleet, cluster, tmp_path / "repository", HUB, ("ada",)) as operator:
        await lead_to(operator.root)
        with serve_proxy(local.instance.registry) as proxy, known_to_the_node(local.instance, proxy.host):
            proxy.guarded = True
            home = make_home(tmp_path, cluster, proxy.host)
            before = contents(home.directory)
            key = tmp_path / "key"
            await make_production(operator.root, fleet.url, proxy.host, key)
            env = {**home.env, "SOPS_AGE_KEY_FILE": str(key)}
            words = (HUB, "--build", "--push", "--deploy")
            ended = await deploy_py(*words, root=operator.root, env=env)
            assert ended.code == 0
            assert f"ok check cluster {CONTEXT}" in ended.text
            assert "built and pushed" in ended.text
            assert f"ok verify {HUB}" in ended.text
            asked = home.asked.read_text().splitlines()
            assert f"get {proxy.host}" in asked
            assert all(line.startswith("get ") for line in asked)  # nothing is stored or erased
            assert "GET /token" in proxy.seen
            assert contents(home.directory) == before
        assert await volumes(cluster, HUB)
