"""A hub of the upstream chart, from its first deploy to its last: people come, go and find their homes, archives too."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.commands import forgotten
from cluster.conftest import NAME, PROJECT, Cluster, Fleet, access
from cluster.forge import git
from cluster.test_deploy import make_upstream_fleet
from cluster.test_people import Course, make_token, start_server
from hubops.clients import process
from hubops.errors import ProgramError
from hubops.local.instance import load_instance

pytestmark = pytest.mark.long
HUB = "upstreamhub"
PERSON = "leaver"


@dataclass
class Teacher:
    """Somebody with a repository whose hub is of the upstream chart."""

    root: Path
    cluster: Cluster

    async def hubops(self, *words: str) -> str:
        command = [sys.executable, "-m", "hubops.cli.main", *words]
        env = {**os.environ, "HUBOPS_LOCAL": NAME, "PYTHONPATH": str(PROJECT / "src")}
        done = await process.attempt(command, env=env, cwd=self.root, on_line=print)
        if done.code:
            raise ProgramError(f"{words[0]} ended with {done.code}", why=done.tail)
        return done.stdout + done.tail

    async def in_home(self, script: str) -> str:
        """What a script prints in the server of the person who is to leave."""
        words = ("exec", "-n", HUB, f"jupyter-{PERSON}", "-c", "notebook", "--", "sh", "-ec", script)
        return await self.cluster.run(*words)

    async def objects(self, kind: str) -> str:
        labels, fields = f"hub.jupyter.org/username={PERSON}", "jsonpath={.items[*].metadata.name}"
        return await self.cluster.run("get", kind, "-n", HUB, "-l", labels, "-o", fields)


@pytest.fixture(scope="module")
async def teacher(
    fleet: Fleet, cluster: Cluster, upstream_chart: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Teacher]:
    assert fleet.hubs
    root = make_upstream_fleet(tmp_path_factory.mktemp("upstream"), upstream_chart)
    await process.run([cluster.helm, "dependency", "update", root / "hub-charts" / HUB])
    (root / f"hub-charts/{HUB}/people.yaml").write_text(f"admins: [teacher]\nallowed: [student, {PERSON}]\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "The fleet")
    async with forgotten(cluster, HUB):
        yield Teacher(root, cluster)


async def test_somebody_leaves_the_hub_is_archived_and_removed_and_all_of_it_comes_back(
    teacher: Teacher, tmp_path: Path
) -> None:
    await teacher.hubops("deploy", HUB)
    async with AsyncExitStack() as stack:
        course = Course(teacher.root, access(load_instance(NAME), HUB), "", stack)
        browser = await course.sign_in(PERSON, course.access.password)
        await start_server(course.access.url, PERSON, await make_token(browser, PERSON))
        await teacher.in_home("mkdir work && echo results > work/paper && chmod 750 work/paper")

        began = time.monotonic()
        removing = asyncio.create_task(teacher.hubops("user", "remove", HUB, PERSON, "--now"))
        while not (await browser.get("hub/home")).is_redirect or await teacher.objects("pods"):
            assert time.monotonic() - began < 60
            assert not removing.done() or removing.exception() is None
            await asyncio.sleep(0.2)
        print(f"FIGURE: out after {time.monotonic() - began:.1f} s")  # noqa: T201 - ten are promised
        await removing
        assert not await course.may_come(PERSON)
        [home] = (await teacher.objects("persistentvolumeclaims")).split()

    archived = await teacher.hubops("archive", HUB, "--to", str(tmp_path))
    assert "1 database, 1 homes" in archived
    [archive] = tmp_path.iterdir()
    await teacher.hubops("remove", HUB, "--yes-remove", HUB)
    assert await teacher.cluster.run("get", "namespace", HUB, "--ignore-not-found") == ""

    await teacher.hubops("deploy", HUB)
    await teacher.hubops("restore", HUB, "--from", str(archive), "--replace", "hub-db-dir")
    await teacher.hubops("user", "add", HUB, PERSON, "--now")
    async with AsyncExitStack() as stack:
        course = Course(teacher.root, access(load_instance(NAME), HUB), "", stack)
        browser = await course.sign_in(PERSON, course.access.password)
        await start_server(course.access.url, PERSON, await make_token(browser, PERSON))
        assert (
            await teacher.in_home("cat work/paper && stat -c '%a %U' work/paper") == "results\n750 jovyan\n"
        )
        assert await teacher.objects("persistentvolumeclaims") == home
    await teacher.hubops("verify", HUB)
