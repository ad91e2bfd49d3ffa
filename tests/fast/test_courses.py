"""What the example hubs give people: the volume that admins write, a course that no start waits for."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from hubops.desired.rules.hooks import judge_hook

PROJECT = Path(__file__).parents[2]
IMAGE = PROJECT / "user-images/earth"
HUBS = ("staginghub", "earthhub")
TEXTS = [(PROJECT / f"hub-charts/{hub}/values.yaml").read_text() for hub in HUBS]
VALUES = yaml.safe_load(TEXTS[0])["jupyterhub"]


class ApiException(Exception):  # noqa: N818 - its name there
    """As kubernetes_asyncio's, which is in the hub's image only."""

    def __init__(self, status: int) -> None:
        self.status = status


@dataclass
class Api:
    """Kubernetes with the answers to a question for the claim, and to its making; 0 is yes."""

    there: int = 0
    made: int = 0
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    async def read_namespaced_persistent_volume_claim(self, name: str, namespace: str) -> None:
        assert (name, namespace) == ("data", "staginghub")
        self._answer(self.there)

    async def create_namespaced_persistent_volume_claim(self, _: str, claim: Mapping[str, Any]) -> None:
        self.asked.append(claim)
        self._answer(self.made)

    def _answer(self, status: int) -> None:
        if status:
            raise ApiException(status)


def start(monkeypatch: pytest.MonkeyPatch, api: Api, *, admin: bool = False) -> dict[str, bool]:
    """Start a server as the snippet has it: which mounts are read-only."""
    client = ModuleType("kubernetes_asyncio.client")
    client.ApiException = ApiException  # type: ignore[attr-defined]  # an empty module, filled here
    monkeypatch.setitem(sys.modules, "kubernetes_asyncio", ModuleType("kubernetes_asyncio"))
    monkeypatch.setitem(sys.modules, "kubernetes_asyncio.client", client)
    config = SimpleNamespace(KubeSpawner=SimpleNamespace())
    names: dict[str, Any] = {
        "c": config,
        "get_config": lambda key: VALUES["custom"][key.removeprefix("custom.")],
    }
    exec(VALUES["hub"]["extraConfig"]["shared-data"], names)  # noqa: S102 - ours
    mounts = [SimpleNamespace(name=name, read_only=name == "shared") for name in ("home", "shared")]
    pod = SimpleNamespace(spec=SimpleNamespace(containers=[SimpleNamespace(volume_mounts=mounts)]))
    spawner = SimpleNamespace(api=api, namespace="staginghub", user=SimpleNamespace(admin=admin))
    assert asyncio.run(config.KubeSpawner.modify_pod_hook(spawner, pod)) is pod
    return {mount.name: mount.read_only for mount in mounts}


def test_what_is_tried_on_staging_is_what_production_has() -> None:
    staging, production = (text.partition("\n")[2] for text in TEXTS)
    assert staging == production


def test_admins_write_what_people_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(monkeypatch, Api()) == {"home": False, "shared": True}
    assert start(monkeypatch, Api(), admin=True) == {"home": False, "shared": False}


def test_the_claim_is_made_when_it_is_missing_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    there, missing = Api(), Api(there=404)
    start(monkeypatch, there)
    start(monkeypatch, missing)
    start(monkeypatch, Api(there=404, made=409))
    assert not there.asked
    assert [claim["spec"] for claim in missing.asked] == [VALUES["custom"]["data"]]


@pytest.mark.parametrize("api", [Api(there=403), Api(there=404, made=403)])
def test_a_cluster_that_refuses_is_not_taken_for_a_claim(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    with pytest.raises(ApiException):
        start(monkeypatch, api)


def run_start(tmp_path: Path, pull: str, home: Path) -> str:
    """What the command prints that start-with-course becomes, with a pull-course that does this."""
    (tmp_path / "pull-course").write_text(f"#!/bin/sh\n{pull}\n")
    (tmp_path / "pull-course").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(home)}
    command = [str(IMAGE / "start-with-course"), "sh", "-c", "echo started; cat"]
    # Whoever reads to the end would wait for a pull that holds the output.
    done = subprocess.run(command, env=env, input="", capture_output=True, text=True, timeout=20, check=True)
    return done.stdout


def test_a_start_waits_for_no_course(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    assert run_start(tmp_path, f"cat {go}", tmp_path) == "started\n"
    with go.open("w") as pipe:
        pipe.write("pulled\n")
    assert read_log(tmp_path) == "pulled\n"


def read_log(home: Path) -> str:
    async def wait() -> str:
        async with asyncio.timeout(10):
            while not (text := (home / ".course.log").read_text()):
                await asyncio.sleep(0.01)
        return text

    return asyncio.run(wait())


def test_a_course_that_does_not_come_stops_no_start_and_is_in_the_log(tmp_path: Path) -> None:
    assert run_start(tmp_path, "exit 1", tmp_path) == "started\n"
    assert read_log(tmp_path).startswith("The course did not come.")


def test_a_home_that_takes_nothing_stops_no_start(tmp_path: Path) -> None:
    assert run_start(tmp_path, "echo pulled", tmp_path / "missing") == "started\n"


def test_the_hook_that_the_pages_show_passes_the_check() -> None:
    page = MarkdownIt("commonmark").parse((PROJECT / "docs/courses.md").read_text())
    shown = [
        yaml.safe_load(token.content.partition("\n\n")[2])
        for token in page
        if "lifecycleHooks" in token.content and token.type == "fence"
    ]
    [values] = shown
    assert not judge_hook(
        values["jupyterhub"]["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    )
