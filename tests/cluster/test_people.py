"""People of a real hub: whoever is taken off is out at once, whatever they had open, and their home stays."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from cluster.conftest import NAME, PROJECT, Access, Cluster, Fleet
from cluster.forge import make_origin
from hubops.clients import process
from hubops.clients.hub import log_in, open_hub
from hubops.errors import HubError, ProgramError
from hubops.local.instance import load_instance
from hubops.local.secrets import load_or_create
from hubops.secret import Secret

HUB = "staginghub"
PEOPLE = "# Of the test.\nadmins: [teacher, chief]\nallowed: [student, leaver, bystander, stranger]\n"


@dataclass
class Course:
    """The staging hub, deployed from a repository of the test's own with more people."""

    root: Path
    access: Access
    admin_password: str
    stack: AsyncExitStack

    async def hubops(self, *words: str) -> str:
        command = [sys.executable, "-m", "hubops.cli.main", "--verbose", *words]
        env = {**os.environ, "HUBOPS_LOCAL": NAME, "PYTHONPATH": str(PROJECT / "src")}
        return await process.run(command, env=env, cwd=self.root, on_line=print)

    async def sign_in(self, name: str, password: str) -> httpx2.AsyncClient:
        """A browser in which somebody is logged in."""
        client = httpx2.AsyncClient(base_url=self.access.url, trust_env=False, timeout=30)
        browser = await self.stack.enter_async_context(client)
        await browser.get("hub/login")
        fields = {"username": name, "password": password, "_xsrf": xsrf(browser)}
        await browser.post("hub/login", data=fields)
        assert (await browser.get("hub/home")).status_code == 200
        return browser

    async def may_come(self, name: str) -> bool:
        return await log_in(self.access.url, name, Secret(self.access.password))


@pytest.fixture(scope="module")
async def course(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Course]:
    root = make_origin(tmp_path_factory.mktemp("people")).work
    (root / f"hub-charts/{HUB}/people.yaml").write_text(PEOPLE)
    secrets = load_or_create(load_instance(NAME).directory / "secrets", HUB)["hub"]["config"]
    password = secrets["SharedPasswordAuthenticator"]["admin_password"]
    async with AsyncExitStack() as stack:
        course = Course(root, fleet.hubs[HUB], password, stack)
        await course.hubops("deploy", HUB)
        yield course
        shutil.copy2(PROJECT / f"hub-charts/{HUB}/people.yaml", root / f"hub-charts/{HUB}/people.yaml")
        await course.hubops("deploy", HUB)


def xsrf(browser: httpx2.AsyncClient) -> str:
    found = [c.value for c in browser.cookies.jar if c.name == "_xsrf" and c.path.endswith("/hub/")]
    return str(found[-1])


async def make_token(browser: httpx2.AsyncClient, name: str) -> str:
    answer = await browser.post(
        f"hub/api/users/{name}/tokens", json={}, headers={"X-XSRFToken": xsrf(browser)}
    )
    return str(answer.json()["token"])


async def start_server(url: str, name: str, token: str) -> None:
    async with open_hub(url, Secret(token)) as hub:
        await hub.start_server(name, {})
        while not ((server := await hub.find_server(name)) and server.ready):
            await asyncio.sleep(0.5)


async def objects(cluster: Cluster, kind: str, name: str) -> str:
    labels, fields = f"hub.jupyter.org/username={name}", "jsonpath={.items[*].metadata.uid}"
    return await cluster.run("get", kind, "-n", HUB, "-l", labels, "-o", fields)


async def hub_pod(cluster: Cluster) -> str:
    fields = "jsonpath={.items[*].metadata.uid}"
    return await cluster.run("get", "pods", "-n", HUB, "-l", "component=hub", "-o", fields)


async def test_who_is_removed_is_out_at_once_and_finds_the_home_when_back(
    cluster: Cluster, course: Course
) -> None:
    browser = await course.sign_in("leaver", course.access.password)
    bystander = await course.sign_in("bystander", course.access.password)
    token = await make_token(browser, "leaver")
    bearer = {"Authorization": f"Bearer {token}"}
    await start_server(course.access.url, "leaver", token)
    page = await browser.get("user/leaver/lab", follow_redirects=True)
    assert page.status_code == 200, "a session of the server itself"
    assert (await browser.get("hub/api/user", headers=bearer)).status_code == 200
    home = await objects(cluster, "persistentvolumeclaims", "leaver")
    assert home
    pod = await hub_pod(cluster)

    async def is_out() -> bool:
        session = await browser.get("hub/home")
        api = await browser.get("hub/api/user", headers=bearer)
        server = await browser.get("user/leaver/lab")
        pods = await objects(cluster, "pods", "leaver")
        return session.is_redirect and api.status_code == 403 and server.status_code != 200 and not pods

    began = time.monotonic()
    removing = asyncio.create_task(course.hubops("user", "remove", HUB, "leaver", "--now"))
    while not await is_out():
        assert time.monotonic() - began < 60
        assert not removing.done() or removing.exception() is None
        await asyncio.sleep(0.2)
    print(f"FIGURE: out after {time.monotonic() - began:.1f} s")  # noqa: T201 - ten are promised
    text = await removing
    print(f"all done after {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure
    assert "-allowed: [student, leaver, bystander, stranger]" in text
    assert await is_out()
    assert not await course.may_come("leaver")
    assert (await bystander.get("hub/home")).status_code == 200, "who stays notices nothing"
    assert await objects(cluster, "persistentvolumeclaims", "leaver") == home

    await course.hubops("user", "add", HUB, "Leaver", "--now")
    assert await hub_pod(cluster) == pod, "the hub follows who is named while it runs"
    browser = await course.sign_in("leaver", course.access.password)
    await start_server(course.access.url, "leaver", await make_token(browser, "leaver"))
    assert await objects(cluster, "persistentvolumeclaims", "leaver") == home


async def test_an_admin_no_longer_is_a_person_with_all_that_runs(course: Course) -> None:
    browser = await course.sign_in("chief", course.admin_password)
    assert (await browser.get("hub/admin")).status_code == 200
    token = {"Authorization": f"Bearer {await make_token(browser, 'chief')}"}
    assert (await browser.get("hub/api/users", headers=token)).status_code == 200
    await course.hubops("user", "remove", HUB, "chief", "--admin", "--now")
    assert (await browser.get("hub/home")).status_code == 200
    assert (await browser.get("hub/admin")).status_code == 403
    assert (await browser.get("hub/api/users", headers=token)).status_code == 403
    assert await course.may_come("chief")
    async with open_hub(course.access.url, Secret(course.access.token)) as hub:
        admins = {person.name for person in await hub.list_people() if person.admin}
    assert admins == {"teacher"}


async def test_who_is_blocked_is_out_although_named_and_nobody_else_is(course: Course) -> None:
    browser = await course.sign_in("stranger", course.access.password)
    people = course.root / f"hub-charts/{HUB}/people.yaml"
    people.write_text(people.read_text() + "blocked: [stranger]\n")
    await course.hubops("deploy", HUB)
    assert (await browser.get("hub/home")).is_redirect
    assert not await course.may_come("stranger")
    assert await course.may_come("student")
    async with open_hub(course.access.url, Secret(course.access.token)) as hub:
        assert "stranger" not in {person.name for person in await hub.list_people()}


async def test_whom_only_the_hub_knows_leaves_with_the_next_deploy_without_a_restart(
    cluster: Cluster, course: Course
) -> None:
    chief = await course.sign_in("teacher", course.admin_password)
    made = await chief.post("hub/api/users/somebody", headers={"X-XSRFToken": xsrf(chief)})
    assert made.status_code == 201
    pod = await hub_pod(cluster)
    await course.hubops("deploy", HUB)
    async with open_hub(course.access.url, Secret(course.access.token)) as hub:
        assert await hub.find_person("somebody") is None
    assert await hub_pod(cluster) == pod


async def test_many_whom_only_the_hub_knows_stay_until_that_is_confirmed(
    cluster: Cluster, course: Course
) -> None:
    """As on a hub that was there before hubops."""
    settings = course.root / f"hub-charts/{HUB}/hub.yaml"
    before = settings.read_text()
    chief = await course.sign_in("teacher", course.admin_password)
    names = [f"from-before-{number}" for number in range(7)]
    made = await chief.post("hub/api/users", json={"usernames": names}, headers={"X-XSRFToken": xsrf(chief)})
    assert made.status_code == 201
    pod = await hub_pod(cluster)
    async with open_hub(course.access.url, Secret(course.access.token)) as hub:
        known = {person.name for person in await hub.list_people()}
        with pytest.raises(ProgramError, match="exit code 20") as caught:
            await course.hubops("deploy", HUB)
        assert f"7 of the {len(known)} people whom {HUB} knows" in caught.value.why
        assert "from-before" not in caught.value.why
        assert {person.name for person in await hub.list_people()} == known
        settings.write_text(f"{before}people-may-leave: 7\n")
        assert "up to 7 may be taken off the hub" in await course.hubops("plan", HUB)
        await course.hubops("deploy", HUB)
        assert {person.name for person in await hub.list_people()} == known - {*names}
    settings.write_text(before)
    assert await hub_pod(cluster) == pod


async def test_our_service_can_neither_make_nor_be_anybody(course: Course) -> None:
    async with open_hub(course.access.url, Secret(course.access.token)) as hub:
        acts = [
            ("POST", "hub/api/users/anybody", {}),
            ("POST", "hub/api/users/student/server", {}),
            ("POST", "hub/api/users/student/tokens", {}),
            ("PATCH", "hub/api/users/student", {"admin": True}),
            ("GET", "hub/api/users/student/tokens", None),
            ("POST", "hub/api/shutdown", {}),
        ]
        for method, path, body in acts:
            with pytest.raises(HubError, match="refuses our service"):
                await hub.site.send(method, path, body=body)
        assert (await hub.site.send("GET", "hub/api/users/student")).json().keys() == {
            "kind", "name", "admin", "servers",
        }  # fmt: skip


async def test_a_hub_that_does_not_answer_fails_an_unchanged_deploy_soon_and_says_so(
    cluster: Cluster, course: Course
) -> None:
    """Its proxy is away, which somebody took; hub and content are as they were."""
    proxy = ("-n", HUB, "deployment/proxy")
    await cluster.run("scale", "--replicas=0", *proxy)
    try:
        with pytest.raises(ProgramError, match="exit code 1") as caught:
            await course.hubops("deploy", HUB)
        assert f"{HUB} does not answer within 8 s" in caught.value.why
        assert f"hubops logs {HUB}" in caught.value.why
    finally:
        await cluster.run("scale", "--replicas=1", *proxy)
        await cluster.run("rollout", "status", *proxy)
