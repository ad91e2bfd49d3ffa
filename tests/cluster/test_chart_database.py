"""The database of a hub through an upgrade of JupyterHub and back, by the words of the documentation."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster import own_database
from cluster.conftest import PROJECT, Cluster, Fleet
from cluster.logins import OUT, PERSON, by_form, standing
from cluster.own_database import bring_database, build_database, in_database
from cluster.own_hub import Browser, Operator, own_hub
from cluster.test_people import make_token
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import BuildRequest
from hubops.clients.site import make_client
from hubops.desired.values import merge
from hubops.errors import HubopsError
from hubops.local.host import find_ca_bundle
from hubops.secret import Secret

pytestmark = pytest.mark.long
HUB = "agedhub"
PASSWORD = "sunny-otter-42-mellow"
# The last JupyterHub before 5, whose database has another form.
OLD = """\
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3-venv && useradd --uid 1000 hub
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \\
    export PIP_CERT=/etc/ssl/certs/ca-certificates.crt \\
    && python3 -m venv /opt/hub \\
    && /opt/hub/bin/pip install jupyterhub==4.1.6 'jupyterhub-kubespawner<8' psycopg2-binary 'setuptools<80'
USER 1000
WORKDIR /srv/jupyterhub
ENV PATH=/opt/hub/bin:$PATH
"""
# A login that both versions have.
VALUES: dict[str, Any] = {
    "hub": {"config": {"JupyterHub": {"authenticator_class": "dummy"}}},
    "cull": {"enabled": False},
}
REVISION = "import sqlite3, sys; print(*next(sqlite3.connect(sys.argv[1]).execute('SELECT version_num FROM alembic_version')))"
DATABASE = "jupyterhub.sqlite"


@pytest.fixture(scope="module")
async def old(
    builder: Buildctl, base: dict[str, Path], registry: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The values that give a hub the old version."""
    directory = tmp_path_factory.mktemp("old")
    (directory / "Dockerfile").write_text(OLD)
    name, bundle = f"{registry}/tests/hub", find_ca_bundle()
    secrets = {"ca": bundle} if bundle else {}
    digest = await builder.build(
        BuildRequest(directory, f"{name}:4", push=True, contexts=base, secrets=secrets), print
    )
    image = {"hubops-image": None, "name": name, "tag": f"4@{digest}"}
    return merge(VALUES, {"hub": {"image": image}})


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    directory = tmp_path_factory.mktemp("aged")
    async with own_hub(fleet, cluster, directory, HUB, ("ada", "ben"), unset="hub") as operator:
        operator.keep({"hub": {"config": {"DummyAuthenticator": {"password": PASSWORD}}}})
        yield operator


@pytest.fixture
async def browser(operator: Operator) -> AsyncIterator[httpx2.AsyncClient]:
    client = make_client(operator.access.url, {})
    client.timeout = httpx2.Timeout(60)
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(client)


async def in_hub(operator: Operator, *command: str) -> str:
    return await operator.kube("exec", "deploy/hub", "--", *command)


async def revision(operator: Operator, file: str = DATABASE) -> str:
    return (await in_hub(operator, "python3", "-c", REVISION, file)).strip()


async def copies(operator: Operator) -> list[str]:
    names = (await in_hub(operator, "sh", "-c", f"ls -1 {DATABASE}.* 2>/dev/null || true")).split()
    return sorted(names)


async def owner(operator: Operator, token: str) -> str:
    """Whose token it is, "" for one that the hub does not know; no cookie answers for it."""
    async with make_client(operator.access.url, {"Authorization": f"token {token}"}) as http:
        answer = await http.get("hub/api/user")
    return str(answer.json()["name"]) if answer.is_success else ""


def restore_command(copy: str) -> list[str]:
    """That of the documentation, for a hub whose copy has this name."""
    page = (PROJECT / "docs/chart.md").read_text()
    [found] = re.findall(r'-- (python3) (-c) "(import sqlite3; .*)"$', page, re.MULTILINE)
    return [word.replace("jupyterhub.sqlite.before", copy) for word in found]


async def log_in_to_old(
    operator: Operator, browser: httpx2.AsyncClient, old: dict[str, Any]
) -> tuple[str, str]:
    """On the old version: somebody's token, and the revision of the database."""
    await operator.bring(old)
    assert "4.1.6" in await in_hub(operator, "jupyterhub", "--version")
    return await log_in(browser), await revision(operator)


async def log_in(browser: httpx2.AsyncClient) -> str:
    """Somebody's token."""
    await by_form(browser, "ada", PASSWORD)
    assert await standing(browser) == PERSON
    return await make_token(browser, "ada")


async def test_a_database_that_may_not_be_changed_ends_the_deploy_and_the_old_version_goes_on(
    operator: Operator, browser: httpx2.AsyncClient, old: dict[str, Any]
) -> None:
    """As with every PostgreSQL, where `hub.db.upgrade` is off by itself."""
    token, before = await log_in_to_old(operator, browser, old)
    with pytest.raises(HubopsError) as caught:
        await operator.bring(merge(VALUES, {"hub": {"db": {"upgrade": False}}}))
    assert "Found database schema version" in str(caught.value)
    await operator.bring(old)
    assert await revision(operator) == before
    assert await copies(operator) == []
    assert await owner(operator, token) == "ada"


async def test_an_upgrade_leaves_a_copy_and_the_copy_brings_the_old_version_back(
    operator: Operator, browser: httpx2.AsyncClient, old: dict[str, Any]
) -> None:
    first, before = await log_in_to_old(operator, browser, old)
    ada = Browser("ada", browser, Secret(first))
    await ada.start()
    kernel = await ada.make_kernel()
    await ada.run(kernel, "kept = 41")

    async with ada.open(kernel) as opened:
        await operator.bring(VALUES)
        assert (await opened.run("print(kept)")).stdout == "41\n", "on the web socket from before"
    await ada.stop()
    after = await revision(operator)
    assert after != before
    [copy] = await copies(operator)
    assert await revision(operator, copy) == before
    assert await owner(operator, first) == "ada"
    assert await standing(browser) == PERSON, "still logged in"
    second = await make_token(browser, "ada")

    await in_hub(operator, *restore_command(copy))
    assert await revision(operator) == before
    await operator.bring(old)
    assert await owner(operator, first) == "ada"
    assert await owner(operator, second) == "", "what was done since then is forgotten"

    await operator.bring(VALUES)
    assert await revision(operator) == after
    assert len(await copies(operator)) == 2
    assert await owner(operator, first) == "ada"
    await browser.get("hub/logout")
    assert await standing(browser) == OUT
    await by_form(browser, "ada", PASSWORD)
    assert await standing(browser) == PERSON


async def test_an_upgrade_that_is_taken_back_leaves_the_old_version_with_its_people(
    operator: Operator, browser: httpx2.AsyncClient, old: dict[str, Any]
) -> None:
    token, before = await log_in_to_old(operator, browser, old)
    await operator.bring(VALUES)
    assert await revision(operator) != before
    await operator.bring(old)
    assert "4.1.6" in await in_hub(operator, "jupyterhub", "--version")
    assert await revision(operator) == before
    assert await owner(operator, token) == "ada"
    log = await operator.kube("logs", "deploy/hub")
    assert "The database was of a newer JupyterHub" in log
    assert any("newer-" in copy for copy in await copies(operator))


@pytest.fixture
async def postgres(builder: Buildctl, base: dict[str, Path], registry: str, tmp_path: Path) -> str:
    return await build_database(builder, base, registry, tmp_path)


ALLOWED: dict[str, Any] = {"hub": {"db": {"upgrade": True}}}


def documented(program: str) -> str:
    """The command of the documentation that begins with this word."""
    page = (PROJECT / "docs/chart.md").read_text()
    [found] = re.findall(rf"`({program} [^`]*)`", page)
    return str(found)


async def test_a_postgresql_is_upgraded_when_somebody_says_so_and_its_dump_brings_the_old_version_back(
    operator: Operator, browser: httpx2.AsyncClient, old: dict[str, Any], postgres: str
) -> None:
    await bring_database(operator, postgres)
    theirs = merge(old, own_database.VALUES)
    await operator.bring(theirs)
    first = await log_in(browser)

    ours = merge(VALUES, own_database.VALUES)
    with pytest.raises(HubopsError) as caught:
        await operator.bring(ours)
    assert "Found database schema version" in str(caught.value)
    await operator.bring(theirs)
    assert await owner(operator, first) == "ada", "nothing was done to it"
    await in_database(operator, documented("pg_dump"))

    await operator.bring(merge(ours, ALLOWED))
    assert await owner(operator, first) == "ada"
    assert await standing(browser) == PERSON, "still logged in"
    # Just the values that failed are held.
    await operator.bring(merge(ours, {"hub": {"extraEnv": {"LATER": "1"}}}))
    assert await owner(operator, first) == "ada", "without the key, from now on"
    second = await make_token(browser, "ada")

    for program in ("dropdb", "createdb", "psql"):
        await in_database(operator, documented(program))
    await operator.bring(theirs)
    assert "4.1.6" in await in_hub(operator, "jupyterhub", "--version")
    assert await owner(operator, first) == "ada"
    assert await owner(operator, second) == "", "what was done since then is forgotten"
