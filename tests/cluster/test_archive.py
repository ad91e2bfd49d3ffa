"""A hub archived, removed, made anew and restored, by the commands, on the real cluster; and what they refuse."""

import json
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.commands import deploy_unproved, forget_hub, run_hubops
from cluster.conftest import NAME, Cluster, Fleet
from cluster.object_store import BUCKET, SECRET, Store, serve_store
from cluster.test_deploy import Ended, make_fleet
from hubops.clients.kube import Json, Kube
from hubops.state.archive_model import Kind, parse_manifest

HUB = "archivehub"
HOME = "claim-ada--0f1e2d3c"
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {
        "name": HOME,
        "labels": {"app": "jupyterhub", "component": "singleuser-storage", "hub.jupyter.org/username": "ada"},
        "annotations": {"hub.jupyter.org/username": "ada", "hub.jupyter.org/kubespawner-version": "7.1.0"},
    },
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
# As a person leaves a home; then what is in it, for comparing.
FILL = """
mkdir -p /home/jovyan/course/empty && cd /home/jovyan
echo '{"cells": []}' > course/one.ipynb && head -c 9000000 /dev/urandom > data.bin
printf '#!/bin/sh\\n' > run.sh && chmod 750 run.sh && ln run.sh again && ln -s course/one.ipynb latest
mkdir locked && touch locked/paper && chmod 555 locked
"""
LIST = """
cd /home/jovyan
find . -mindepth 1 | sort | xargs stat -c '%A %h %u %g %N'
find . -type f | sort | xargs stat -c '%Y %s %n'
find . -type f | sort | xargs sha256sum
"""
ADD_PERSON = "insert into users (name, admin, cookie_id) values ('ada', 0, 'c')"


@dataclass(frozen=True)
class Operator:
    """Somebody with a repository that has one hub more, on the tests' cluster."""

    root: Path
    cluster: Cluster
    kube: Kube
    store: Store

    async def hubops(self, *arguments: str, kill_at: str = "") -> Ended:
        """A command as a person types it; SIGKILL when it prints `kill_at`."""
        env = self.store.env
        return await run_hubops(self.root, *arguments, env=env, kill_at=kill_at, after_s=1.5)

    async def deploy(self) -> None:
        """Without its proof: a notebook that runs says nothing about an archive."""
        await deploy_unproved(self.root, HUB)

    async def in_home(self, script: str, *, keep: bool = False) -> str:
        """What a pod prints that mounts the home as a person's server does; it stays when it is to be kept."""
        spec = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "ada", "labels": {"component": "singleuser-server"}},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "securityContext": {"runAsUser": 1000, "runAsGroup": 100, "fsGroup": 100},
                "containers": [
                    {
                        "name": "notebook",
                        "image": await self.hub_image(),
                        "command": ["sh", "-ec", script],
                        "volumeMounts": [{"name": "home", "mountPath": "/home/jovyan"}],
                    }
                ],
                "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": HOME}}],
            },
        }
        await self.cluster.run("apply", "-n", HUB, "-f", "-", stdin=json.dumps(spec))
        done = "condition=Ready" if keep else "jsonpath={.status.phase}=Succeeded"
        await self.cluster.run("wait", "-n", HUB, "pod/ada", f"--for={done}", "--timeout=60s")
        printed = await self.cluster.run("logs", "-n", HUB, "ada")
        if not keep:
            await self.cluster.run("delete", "-n", HUB, "pod/ada")
        return printed

    async def hub_image(self) -> str:
        path = "jsonpath={.spec.template.spec.containers[0].image}"
        return await self.cluster.run("get", "deploy", "hub", "-n", HUB, "-o", path)

    async def in_database(self, statement: str) -> str:
        code = (
            "import sqlite3; db = sqlite3.connect('jupyterhub.sqlite');"
            f' print(db.execute("{statement}").fetchall()); db.commit()'
        )
        return await self.cluster.run("exec", "-n", HUB, "deploy/hub", "--", "python3", "-c", code)

    async def left(self, collection: str) -> list[str]:
        """What was made to look into volumes, and is still there."""
        items, _ = await self.kube.list(
            f"/api/v1/namespaces/{HUB}/{collection}", labels="hubops.dev/volume-of"
        )
        return [item["metadata"]["name"] for item in items]

    async def forget_receipts(self) -> None:
        """No archive is recorded any more."""
        await self.cluster.run("delete", "configmap", "-n", "hubops", "-l", f"hubops.dev/archive-of={HUB}")

    async def claim(self, name: str) -> Json:
        return await self.kube.request("GET", f"/api/v1/namespaces/{HUB}/persistentvolumeclaims/{name}")


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, kube: Kube, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    """A hub with one person, who has a home and is in the database."""
    assert fleet.hubs
    os.environ["HUBOPS_LOCAL"] = NAME
    await forget_hub(cluster, HUB)
    async with serve_store(tmp_path_factory.mktemp("store")) as store:
        operator = Operator(make_hub(tmp_path_factory.mktemp("archive")), cluster, kube, store)
        await operator.deploy()
        await cluster.run("apply", "-n", HUB, "-f", "-", stdin=json.dumps(CLAIM))
        await operator.in_home(FILL)
        await operator.in_database(ADD_PERSON)
        yield operator
        await forget_hub(cluster, HUB)


def make_hub(directory: Path, name: str = HUB) -> Path:
    root = make_fleet(directory)
    hub = root / "hub-charts" / name
    hub.mkdir()
    dependency = {"name": "jupyterhub", "version": "0.1.0", "repository": "file://../../charts/jupyterhub"}
    chart = {"apiVersion": "v2", "name": name, "version": "0.1.0", "dependencies": [dependency]}
    (hub / "Chart.yaml").write_text(json.dumps(chart))
    lock = (root / "hub-charts" / "staginghub" / "Chart.lock").read_text()
    (hub / "Chart.lock").write_text(lock)
    (hub / "values.yaml").write_text("jupyterhub: {}\n")
    (hub / "hub.yaml").write_text("stage: staging\nimage: earth\n")
    (hub / "people.yaml").write_text("admins: [teacher]\nallowed: [student]\n")
    return root


@pytest.mark.parametrize("place", ["bucket", pytest.param("directory", marks=pytest.mark.long)])
async def test_archive_remove_new_restore_gives_back_homes_and_database(
    operator: Operator, tmp_path: Path, place: str
) -> None:
    home, labels = await operator.in_home(LIST), (await operator.claim(HOME))["metadata"]["labels"]
    refused = await operator.hubops("remove", HUB, "--yes-remove", HUB)
    assert (refused.code, "no archive of it is recorded" in refused.text) == (20, True)

    parent = operator.store.directory / "data" / BUCKET / "hubs" if place == "bucket" else tmp_path
    to = f"s3://{BUCKET}/hubs" if place == "bucket" else str(tmp_path)
    archived = await operator.hubops("archive", HUB, "--to", to)
    assert archived.code == 0
    assert "1 database, 1 homes" in archived.text
    assert [word in archived.text for word in ("ada", SECRET)] == [False, False]
    [archive] = parent.glob(f"{HUB}-*")
    manifest = parse_manifest((archive / "manifest.json").read_text())
    assert [each.claim.kind for each in manifest.archived] == [Kind.DATABASE, Kind.HOME]
    assert (manifest.archived[1].claim.person, manifest.sample) == ("ada", ("hub-db-dir", HOME))
    assert await operator.left("pods") == await operator.left("persistentvolumeclaims") == []
    receipts, _ = await operator.kube.list(
        "/api/v1/namespaces/hubops/configmaps", labels=f"hubops.dev/archive-of={HUB}"
    )
    [receipt] = [each["data"]["receipt"] for each in receipts]
    assert (f"{to}/{archive.name}" in receipt, "ada" in receipt) == (True, False)

    refused = await operator.hubops("remove", HUB, "--yes-remove", "earthhub")
    assert (refused.code, "'earthhub' is not its name" in refused.text) == (20, True)
    await operator.in_home("echo later > /home/jovyan/later")
    refused = await operator.hubops("remove", HUB, "--yes-remove", HUB)
    assert (refused.code, "1 homes changed since the archive" in refused.text) == (20, True)
    await operator.in_home("rm /home/jovyan/later")
    removed = await operator.hubops("remove", HUB, "--yes-remove", HUB)
    assert removed.code == 0
    assert "volumes, home: 1 of 1Gi" in removed.text
    assert await operator.cluster.run("get", "namespace", HUB, "--ignore-not-found") == ""
    again = await operator.hubops("remove", HUB, "--yes-remove", HUB)
    assert (again.code, "there is nothing of" in again.text) == (20, True)

    await operator.deploy()
    assert "ada" not in await operator.in_database("select name from users")
    words = ("restore", HUB, "--from", f"{to}/{archive.name}")
    refused = await operator.hubops(*words)
    assert (refused.code, "--replace hub-db-dir" in refused.text) == (20, True)
    restored = await operator.hubops(*words, "--replace", "hub-db-dir")
    assert restored.code == 0
    assert await operator.in_home(LIST) == home
    assert "('ada',)" in await operator.in_database("select name from users")
    assert (await operator.claim(HOME))["metadata"]["labels"] == labels
    assert await operator.left("pods") == []
    await operator.forget_receipts()


@pytest.mark.long
async def test_a_home_in_use_is_archived_but_that_is_no_ground_for_removal(
    operator: Operator, tmp_path: Path
) -> None:
    await operator.in_home("sleep 600", keep=True)
    archived = await operator.hubops("archive", HUB, "--to", str(tmp_path))
    assert (archived.code, "1 homes are in use" in archived.text) == (0, True)
    refused = await operator.hubops("remove", HUB, "--yes-remove", HUB)
    assert (refused.code, "homes were in use when it was made" in refused.text) == (20, True)
    [archive] = tmp_path.iterdir()
    refused = await operator.hubops("restore", HUB, "--from", str(archive), "--replace", HOME)
    assert (refused.code, "1 homes are in use" in refused.text) == (20, True)
    await operator.cluster.run("delete", "-n", HUB, "pod/ada")


@pytest.mark.long
async def test_what_cannot_be_read_makes_no_archive(operator: Operator, tmp_path: Path) -> None:
    await operator.in_home("echo mine > /home/jovyan/theirs && chmod 000 /home/jovyan/theirs")
    ended = await operator.hubops("archive", HUB, "--to", str(tmp_path))
    await operator.in_home("rm -f /home/jovyan/theirs")
    assert (ended.code, "a volume cannot be read as a whole" in ended.text) == (1, True)
    assert "Permission denied" in ended.text
    assert list(tmp_path.iterdir()) == []
    assert await operator.left("pods") == []


@pytest.mark.long
@pytest.mark.parametrize("kill_at", ["archive 2 volumes", "restore 2 of them"])
async def test_a_killed_archive_is_none_and_the_next_tidies_up(
    operator: Operator, tmp_path: Path, kill_at: str
) -> None:
    killed = await operator.hubops("archive", HUB, "--to", str(tmp_path), kill_at=kill_at)
    assert killed.code == -signal.SIGKILL
    [part] = tmp_path.iterdir()
    assert re.fullmatch(rf"{HUB}-[0-9a-f]{{8}}\.part", part.name)
    assert (await operator.hubops("archive", HUB, "--to", str(tmp_path))).code == 0
    [archive] = tmp_path.iterdir()
    assert (archive / "manifest.json").exists()
    assert await operator.left("pods") == await operator.left("persistentvolumeclaims") == []


@pytest.mark.long
async def test_a_killed_restore_and_a_killed_removal_go_on(operator: Operator, tmp_path: Path) -> None:
    home = await operator.in_home(LIST)
    assert (await operator.hubops("archive", HUB, "--to", str(tmp_path))).code == 0
    [archive] = tmp_path.iterdir()
    words = ("remove", HUB, "--yes-remove", HUB)
    assert (await operator.hubops(*words, kill_at=f"uninstall {HUB} ...")).code == -signal.SIGKILL
    assert (await operator.hubops(*words)).code == 0
    await operator.deploy()
    restore = ("restore", HUB, "--from", str(archive), "--replace", "hub-db-dir")
    assert (await operator.hubops(*restore, kill_at="restore 2 volumes")).code == -signal.SIGKILL
    assert (
        await operator.hubops(*restore)
    ).code == 0  # a home that was finished is known, one that was not is empty
    assert await operator.in_home(LIST) == home
