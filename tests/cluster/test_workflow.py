"""The whole workflow as CI runs it: pull request, merge, staging proves, production follows, and every wrong turn.

The lines that are run are those of the CI files; `origin` is a bare git repository.
"""

import asyncio
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.conftest import NAME, PROJECT, Cluster, Fleet
from cluster.forge import DOCKERFILE, Edit, Origin, add_line, git, make_origin
from hubops.clients.hub import log_in, open_hub
from hubops.local.docker import require_docker
from hubops.local.instance import load_instance
from hubops.secret import Secret

WORKFLOW = ".github/workflows/hubops.yml"
# What changes by itself in a cluster at rest.
RESTLESS = {"Lease", "Event", "Node", "EndpointSlice", "Endpoints"}


@dataclass
class Ended:
    """A run of CI that ended: its exit code, everything it printed, and seconds."""

    code: int
    text: str
    took_s: float


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return make_origin(tmp_path_factory.mktemp("forge"))


def run_line(event: str) -> str:
    """The one line that the workflow runs for an event."""
    jobs = yaml.safe_load((PROJECT / WORKFLOW).read_text())["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    (found,) = [line for line in lines if f"hubops ci {event}" in line]
    return str(found)


async def ci(checkout: Path, event: str, env: dict[str, str]) -> Ended:
    began = time.monotonic()
    child = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", run_line(event)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=checkout,
        env=env,
    )
    assert child.stdout
    text = (await child.stdout.read()).decode()
    print(text)  # noqa: T201 - shown when the test fails
    return Ended(await child.wait(), text, time.monotonic() - began)


async def merge(checkout: Path) -> Ended:
    return await ci(checkout, "merge", {**os.environ, "HUBOPS_LOCAL": NAME})


async def cluster_state(cluster: Cluster) -> dict[str, str]:
    """The resource version of every object that nobody but us would change."""
    kinds = await cluster.run("api-resources", "--verbs=list", "-o", "name")
    wanted = [kind for kind in kinds.split() if "event" not in kind and "metrics" not in kind]
    found = json.loads(await cluster.run("get", ",".join(wanted), "-A", "-o", "json"))["items"]
    return {
        f"{item['kind']} {item['metadata'].get('namespace')}/{item['metadata']['name']}": item[
            "metadata"
        ].get("resourceVersion", "")
        for item in found
        if item["kind"] not in RESTLESS
    }


async def registry_writes() -> int:
    """How many writing requests the registry's log has."""
    engine = await require_docker(lambda _: None)
    log = await engine("logs", load_instance(NAME).registry_container)
    return len(re.findall(r'"?(POST|PUT|PATCH|DELETE) /v2/', log))


async def deployed(cluster: Cluster, hub: str, root: Path = PROJECT) -> dict[str, Any]:
    """What `hubops status` says of a hub, to somebody who has these files."""
    done = await asyncio.create_subprocess_exec(
        *(PROJECT / "hubops", "status", hub, "--format", "json"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "HUBOPS_LOCAL": NAME},
        cwd=root,
    )
    out, _ = await done.communicate()
    assert cluster
    found: dict[str, Any] = json.loads(out)[0]
    return found


@pytest.fixture(scope="module")
async def merged(fleet: Fleet, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A merge that changes the image of both hubs; its commit."""
    assert fleet.hubs
    stamp = time.strftime("%H%M%S")
    commit = origin.commit("A new image", {DOCKERFILE: add_line(f"ENV LESSON={stamp}")})
    ended = await merge(origin.checkout(tmp_path_factory.mktemp("runner") / "clone"))
    assert ended.code == 0, ended.text
    return commit


async def test_a_merge_gives_production_what_staging_proved(cluster: Cluster, merged: str) -> None:
    staging, production = await deployed(cluster, "staginghub"), await deployed(cluster, "earthhub")
    assert staging["proved"]["images"] == production["proved"]["images"]
    assert staging["proved"]["commit"] == production["proved"]["commit"] == merged
    assert not staging["held"]
    assert not production["held"]


@pytest.mark.parametrize("ref", [pytest.param("branch", marks=pytest.mark.long), "pull/1/head"])
async def test_a_pull_request_writes_nothing_and_needs_nothing(
    cluster: Cluster, merged: str, origin: Origin, tmp_path: Path, ref: str
) -> None:
    """From a branch of the repository, and from a fork; with an empty environment."""
    assert merged
    source = origin.checkout(tmp_path / "somebody")
    git(source, "switch", "-qc", "change")
    edits: dict[str, Edit] = {
        DOCKERFILE: add_line(f"ENV PULL_REQUEST={ref}"),
        "hub-charts/earthhub/people.yaml": lambda text: text + "  - newcomer\n",
    }
    for name, edit in edits.items():
        (source / name).write_text(edit((source / name).read_text()))
    git(source, "commit", "-qam", "A change")
    target = "change" if ref == "branch" else "refs/pull/1/head"
    git(source, "push", "-q", "-f", "origin", f"HEAD:{target}")
    before, writes = await cluster_state(cluster), await registry_writes()
    runner = origin.checkout(
        tmp_path / "runner", "origin/change" if ref == "branch" else "refs/remotes/pull/1/head"
    )
    ended = await ci(runner, "pull-request", {})
    assert ended.code == 0
    assert re.search(r"image earth +done", ended.text)
    assert re.search(r"docs +.*done", ended.text)
    assert re.search(r"hub earthhub +would change .*build image earth", ended.text)
    assert "newcomer" not in ended.text
    assert await registry_writes() == writes
    assert await cluster_state(cluster) == before


async def test_what_only_a_notebook_notices_is_rolled_back_and_held_until_it_is_mended(
    cluster: Cluster, merged: str, fleet: Fleet, origin: Origin, tmp_path: Path
) -> None:
    before = await deployed(cluster, "earthhub")
    state = await cluster_state(cluster)
    broken = add_line("ENV MPLBACKEND=nonsense")
    origin.commit("Break the plots", {DOCKERFILE: broken})
    ended = await merge(origin.checkout(tmp_path / "broken"))
    assert ended.code == 30
    assert re.search(r"hub staginghub +rolled back", ended.text)
    assert re.search(r"hub earthhub +waits for proof", ended.text)
    assert "Cell 2 of the proof fails: ValueError" in ended.text
    assert "'nonsense' is not a valid value for backend" in ended.text
    staging, production = await deployed(cluster, "staginghub"), await deployed(cluster, "earthhub")
    assert staging["deployed"]["images"] == production["deployed"]["images"] == before["deployed"]["images"]
    assert (await deployed(cluster, "staginghub", origin.work))["held"] == staging["failed"]
    assert "Cell 2" in staging["failed"]["why"]
    reverted = origin.checkout(tmp_path / "reverted", merged)
    assert (await deployed(cluster, "staginghub", reverted))["held"] is None
    assert production == before
    assert in_namespace(await cluster_state(cluster), "earthhub") == in_namespace(state, "earthhub")

    await check_people_only(cluster, fleet, origin, tmp_path)

    mended = origin.commit("Mend the plots", {DOCKERFILE: lambda text: text.replace("nonsense", "agg")})
    ended = await merge(origin.checkout(tmp_path / "mended"))
    assert ended.code == 0
    staging, production = await deployed(cluster, "staginghub"), await deployed(cluster, "earthhub")
    assert staging["proved"]["images"] == production["proved"]["images"] != before["proved"]["images"]
    assert staging["proved"]["commit"] == production["proved"]["commit"] == mended

    state = await cluster_state(cluster)
    again = await merge(origin.checkout(tmp_path / "again", merged))
    assert again.code == 20
    assert "has a newer commit than this one" in again.text
    assert without_leases(await cluster_state(cluster)) == without_leases(state)


async def check_people_only(cluster: Cluster, fleet: Fleet, origin: Origin, tmp_path: Path) -> None:
    """A change of people goes on although the same branch has held content, and touches nobody's work."""
    staging, state = await deployed(cluster, "staginghub"), await cluster_state(cluster)
    production = fleet.hubs["earthhub"]
    pod = await start_server(cluster, production.url, production.username, Secret(production.password))
    origin.commit(
        "Another student",
        {"hub-charts/earthhub/people.yaml": lambda text: text + "  - latecomer\n"},
    )
    ended = await merge(origin.checkout(tmp_path / "people"))
    assert ended.code == 0
    assert ended.took_s <= 60
    assert "built" not in ended.text
    assert "start a server" not in ended.text
    assert re.search(r"hub staginghub +held", ended.text)
    assert await log_in(production.url, "latecomer", Secret(production.password))
    assert await deployed(cluster, "staginghub") == staging
    assert in_namespace(await cluster_state(cluster), "staginghub") == in_namespace(state, "staginghub")
    assert await server_pod(cluster) == pod


async def start_server(cluster: Cluster, url: str, username: str, password: Secret) -> str:
    """A person's server on earthhub, started with the administrator's own right; its pod's uid and start."""
    assert await log_in(url, username, password)
    token = await cluster.run(
        *("exec", "-n", "earthhub", "deployment/hub", "--"),
        *(
            "jupyterhub",
            "token",
            "--config",
            "/usr/local/etc/jupyterhub/config/jupyterhub_config.py",
            username,
        ),
    )
    async with open_hub(url, Secret(token.split()[-1])) as hub:
        server = await hub.find_server(username)
        if not (server and server.ready):
            await hub.start_server(username, {})
        while not ((server := await hub.find_server(username)) and server.ready):
            await asyncio.sleep(0.5)
    return await server_pod(cluster)


async def server_pod(cluster: Cluster) -> str:
    fields = (
        "jsonpath={.items[*].metadata.uid} {.items[*].status.containerStatuses[*].state.running.startedAt}"
    )
    labels = "component=singleuser-server"
    return await cluster.run("get", "pods", "-n", "earthhub", "-l", labels, "-o", fields)


def in_namespace(state: dict[str, str], namespace: str) -> dict[str, str]:
    return {name: version for name, version in state.items() if f" {namespace}/" in name}


def without_leases(state: dict[str, str]) -> dict[str, str]:
    return {name: version for name, version in state.items() if not name.startswith("Lease ")}
