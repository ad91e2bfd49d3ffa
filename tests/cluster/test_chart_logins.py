"""Every way to log in that the hub's image has, on a hub: right ones in, wrong ones and who is not named out."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest

from cluster.commands import forgotten
from cluster.conftest import Cluster, Fleet
from cluster.logins import ADMIN, OUT, PERSON, by_form, by_launch, by_provider, sign_up, standing
from cluster.own_hub import Operator, own_hub
from hubops.clients import process
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import BuildRequest
from hubops.clients.site import make_client

pytestmark = pytest.mark.long
HUB = "loginhub"
PEOPLE = "admins: [teacher]\nallowed: [ada, eve]\nblocked: [eve]\n"
# Who each is who has the right password, or a platform's word; nobody is anybody with a wrong one.
STANDINGS = {"teacher": ADMIN, "ada": PERSON, "eve": OUT, "stranger": OUT}
PASSWORD, WRONG = "sunny-otter-42-mellow", "cloudy-otter-42-mellow"
KEY = "5e" * 64
Door = Callable[[], Awaitable[httpx2.AsyncClient]]


class Enter(Protocol):
    async def __call__(self, browser: httpx2.AsyncClient, name: str, *, right: bool) -> None: ...


@dataclass(frozen=True)
class Way:
    """A class of the image with its settings, and how somebody goes that way: with what is right, or not."""

    authenticator: str
    enter: Enter
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict)
    hub: Mapping[str, Any] = field(default_factory=dict)

    async def open(self, operator: Operator) -> None:
        """Bring the hub to it."""
        operator.keep({"hub": {"config": self.secrets}})
        await operator.bring(self.values)

    @property
    def values(self) -> dict[str, Any]:
        chosen = {"JupyterHub": {"authenticator_class": self.authenticator}}
        return {"hub": {**self.hub, "config": {**chosen, **self.config}}}


async def with_password(browser: httpx2.AsyncClient, name: str, *, right: bool) -> None:
    await by_form(browser, name, PASSWORD if right else WRONG)


async def with_hmac(browser: httpx2.AsyncClient, name: str, *, right: bool) -> None:
    key = bytes.fromhex(KEY) if right else b""
    await by_form(browser, name, hmac.new(key, name.encode(), hashlib.sha512).hexdigest())


async def from_platform(browser: httpx2.AsyncClient, name: str, *, right: bool) -> None:
    fields = {"user_id": "17", "lis_person_sourcedid": name}
    await by_launch(browser, fields, "moodle", "s" * 40 if right else "t" * 40)


WAYS = {
    "dummy": Way("dummy", with_password, secrets={"DummyAuthenticator": {"password": PASSWORD}}),
    "firstuse": Way("firstuse", with_password),
    "hmac": Way(
        "hmacauthenticator.HMACAuthenticator", with_hmac, secrets={"HMACAuthenticator": {"secret_key": KEY}}
    ),
    "lti11": Way(
        "ltiauthenticator.lti11.auth.LTI11Authenticator",
        from_platform,
        {"LTI11Authenticator": {"username_key": "lis_person_sourcedid"}},
        {"LTI11Authenticator": {"consumers": {"moodle": "s" * 40}}},
    ),
    "native": Way(
        "native",
        with_password,
        {
            "NativeAuthenticator": {
                "minimum_password_length": 12,
                "check_common_password": True,
                "allow_all": True,
            }
        },
    ),
}


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    # On the local cluster everybody would have the generated password.
    async with own_hub(fleet, cluster, tmp_path_factory.mktemp("logins"), HUB, (), unset="hub") as operator:
        (operator.root / f"hub-charts/{HUB}/people.yaml").write_text(PEOPLE)
        yield operator


@pytest.fixture
async def door(operator: Operator) -> AsyncIterator[Door]:
    """A new browser each time."""
    async with AsyncExitStack() as stack:

        async def browser() -> httpx2.AsyncClient:
            client = make_client(operator.access.url, {})
            client.timeout = httpx2.Timeout(60)
            return await stack.enter_async_context(client)

        yield browser


async def require_standings(way: Way, door: Door, expected: Mapping[str, str] = STANDINGS) -> None:
    found = {}
    for name in expected:
        browser = await door()
        await way.enter(browser, name, right=True)
        found[name] = await standing(browser)
    assert found == expected
    for name in expected:
        browser = await door()
        await way.enter(browser, name, right=False)
        assert await standing(browser) == OUT, name


@pytest.mark.parametrize("kind", ["dummy", "firstuse", "hmac", "lti11"])
async def test_who_may_comes_in_and_nobody_else(operator: Operator, door: Door, kind: str) -> None:
    await WAYS[kind].open(operator)
    await require_standings(WAYS[kind], door)


async def test_a_first_password_stays_when_the_hub_restarts(operator: Operator, door: Door) -> None:
    await WAYS["firstuse"].open(operator)
    await by_form(await door(), "ada", PASSWORD)
    await operator.restart_hub()
    assert await enters(door, "ada", WRONG) == OUT
    assert await enters(door, "ada", PASSWORD) == PERSON


async def test_a_launch_counts_once(operator: Operator, door: Door) -> None:
    await WAYS["lti11"].open(operator)
    fields = {"user_id": "17", "lis_person_sourcedid": "ada", "oauth_nonce": "n" * 20}
    first, second = await door(), await door()
    await by_launch(first, fields, "moodle", "s" * 40)
    assert await standing(first) == PERSON
    await by_launch(second, fields, "moodle", "s" * 40)
    assert await standing(second) == OUT


async def enters(door: Door, name: str, password: str) -> str:
    browser = await door()
    await by_form(browser, name, password)
    return await standing(browser)


# --- accounts of the hub's own


async def test_who_signs_up_waits_for_an_admin_unless_named(operator: Operator, door: Door) -> None:
    await WAYS["native"].open(operator)
    assert "Your information has been sent to the admin" not in await sign_up(await door(), "ada", "2short")
    assert await enters(door, "ada", "2short") == OUT
    for name in STANDINGS:
        await sign_up(await door(), name, PASSWORD)
    await require_standings(WAYS["native"], door)
    ada, teacher = await door(), await door()
    await by_form(ada, "ada", PASSWORD)
    assert (await ada.get("hub/authorize/stranger")).status_code == 403
    await by_form(teacher, "teacher", PASSWORD)
    assert "stranger" in (await teacher.get("hub/authorize")).text
    await teacher.get("hub/authorize/stranger")
    assert await enters(door, "stranger", PASSWORD) == PERSON
    again = await sign_up(await door(), "ada", WRONG)
    assert "already in use" in again
    assert await enters(door, "ada", WRONG) == OUT, "nobody takes over an account"


async def test_who_is_taken_off_people_loses_the_account(operator: Operator, door: Door) -> None:
    """By a deploy as an operator types it, with its proof."""
    await WAYS["native"].open(operator)
    for name in ("ada", "teacher"):
        await sign_up(await door(), name, PASSWORD)
    assert await enters(door, "ada", PASSWORD) == PERSON
    people = operator.root / f"hub-charts/{HUB}/people.yaml"
    await operator.deploy(WAYS["native"].values)
    people.write_text("admins: [teacher]\nallowed: []\nblocked: [eve]\n")
    try:
        await operator.deploy(WAYS["native"].values)
        assert await enters(door, "ada", PASSWORD) == OUT
        assert await enters(door, "teacher", PASSWORD) == ADMIN
        await sign_up(await door(), "ada", PASSWORD)
        assert await enters(door, "ada", PASSWORD) == OUT, "and is a stranger like others"
    finally:
        people.write_text(PEOPLE)


# --- names made up


async def test_everybody_gets_a_name_of_their_own_and_nobody_is_admin(operator: Operator, door: Door) -> None:
    await Way("tmp", with_password).open(operator)
    first = await door()
    await first.get("hub/tmplogin")
    assert await standing(first) == OUT, "nobody said that everybody may come"
    await Way("tmp", with_password, {"TmpAuthenticator": {"allow_all": True}}).open(operator)
    names = set()
    for browser in (await door(), await door()):
        await browser.get("hub/tmplogin")
        assert await standing(browser) == PERSON
        names.add((await browser.get("hub/api/user")).json()["name"])
    assert len(names) == 2
    assert not names & {*STANDINGS}


# --- a directory

TREE = """\
dn: dc=example,dc=edu
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=edu
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=edu
objectClass: organizationalUnit
ou: groups

dn: cn=course,ou=groups,dc=example,dc=edu
objectClass: groupOfNames
cn: course
member: uid=member,ou=people,dc=example,dc=edu

"""
ENTRY = """\
dn: uid={name},ou=people,dc=example,dc=edu
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
userPassword: {password}

"""
SLAPD = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile /run/directory/tls.crt
TLSCertificateKeyFile /run/directory/tls.key
security simple_bind=128
database mdb
suffix dc=example,dc=edu
directory /tmp/data
"""
DIRECTORY = """\
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends slapd && useradd --uid 1000 directory
USER 1000
CMD ["sh", "-ec", "mkdir /tmp/data; slapadd -f /run/directory/slapd.conf -l /run/directory/tree.ldif; \\
    exec slapd -d 0 -f /run/directory/slapd.conf -h ldap://:3389"]
"""
CERTIFICATE: list[str | Path] = [
    *"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=directory".split(),
    *("-addext", "subjectAltName=DNS:directory"),
]
MEMBERS = {**STANDINGS, "member": PERSON}
LDAP = {
    "server_address": "directory",
    "server_port": 3389,
    "bind_dn_template": ["uid={username},ou=people,dc=example,dc=edu"],
    "allowed_groups": ["cn=course,ou=groups,dc=example,dc=edu"],
    "tls_kwargs": {"validate": 2, "ca_certs_file": "/etc/directory-ca.crt"},
}


@pytest.fixture
async def directory(
    operator: Operator, builder: Buildctl, base: dict[str, Path], registry: str, tmp_path: Path
) -> str:
    """A directory of people in the hub's namespace; the certificate by which it is known."""
    (tmp_path / "Dockerfile").write_text(DIRECTORY)
    name = f"{registry}/tests/directory:1"
    digest = await builder.build(BuildRequest(tmp_path, name, push=True, contexts=base), print)
    await process.run([*CERTIFICATE, "-keyout", tmp_path / "tls.key", "-out", tmp_path / "tls.crt"])
    entries = "".join(ENTRY.format(name=each, password=PASSWORD) for each in MEMBERS)
    content = {"slapd.conf": SLAPD, "tree.ldif": TREE + entries}
    content |= {file: (tmp_path / file).read_text() for file in ("tls.key", "tls.crt")}
    if not await operator.cluster.run("get", "namespace", HUB, "--ignore-not-found"):
        await operator.cluster.run("create", "namespace", HUB)
    for thing in directory_objects(f"{name}@{digest}", content):
        await operator.kube("apply", "-f", "-", stdin=json.dumps(thing))
    await operator.kube("rollout", "restart", "deployment/directory")
    await operator.kube("rollout", "status", "deployment/directory")
    return content["tls.crt"]


def directory_objects(image: str, content: Mapping[str, str]) -> list[Mapping[str, Any]]:
    labels, metadata = {"app": "directory"}, {"name": "directory"}
    container = {
        "name": "directory",
        "image": image,
        "readinessProbe": {"tcpSocket": {"port": 3389}, "periodSeconds": 1},
        "volumeMounts": [{"name": "files", "mountPath": "/run/directory"}],
    }
    spec = {"containers": [container], "volumes": [{"name": "files", "secret": {"secretName": "directory"}}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    ports = [{"port": 3389}]
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {**content}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"selector": {"matchLabels": labels}, "template": template}},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": labels, "ports": ports}},
    ]  # fmt: skip


async def test_a_directory_knows_the_passwords_and_who_is_in_a_group(
    operator: Operator, door: Door, directory: str
) -> None:
    files = {"ca": {"mountPath": "/etc/directory-ca.crt", "stringData": directory}}
    way = Way("ldap", with_password, {"LDAPAuthenticator": LDAP}, hub={"extraFiles": files})
    await way.open(operator)
    await require_standings(way, door, MEMBERS)
    # A directory of another certificate is not told anybody's password.
    other = Way("ldap", with_password, {"LDAPAuthenticator": {**LDAP, "tls_kwargs": {"validate": 2}}})
    await other.open(operator)
    assert await enters(door, "ada", PASSWORD) == OUT


# --- another hub as the provider (OAuth 2)

PROVIDER = "providerhub"
CLIENT, CLIENT_SECRET = "service-login", "c" * 64


@pytest.fixture
async def provider(operator: Operator, tmp_path: Path) -> AsyncIterator[Operator]:
    """A hub at which everybody has a password, in the same repository."""
    root = operator.root
    other = Operator(root, operator.cluster, PROVIDER)
    if not (root / f"hub-charts/{PROVIDER}").exists():
        make_provider(root)
    callback = f"{operator.access.url}hub/oauth_callback"
    login = {
        "oauth_client_id": CLIENT,
        "oauth_redirect_uri": callback,
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": ["read:users!user"],
    }
    roles = {"user": {"scopes": ["self", "access:services!service=login"]}}
    groups = {"course": {"users": ["member"]}}
    config = {
        "JupyterHub": {"authenticator_class": "dummy", "load_groups": groups},
        "DummyAuthenticator": {"allow_all": True},
    }
    dummy = {"DummyAuthenticator": {"password": PASSWORD}}
    async with forgotten(operator.cluster, PROVIDER):
        other.keep({"hub": {"config": dummy, "services": {"login": {"apiToken": CLIENT_SECRET}}}})
        await other.bring({"hub": {"config": config, "services": {"login": login}, "loadRoles": roles}})
        yield other


def make_provider(root: Path) -> None:
    hub = root / "hub-charts" / PROVIDER
    hub.mkdir()
    for name in ("Chart.yaml", "Chart.lock", "hub.yaml", "people.yaml"):
        text = (root / f"hub-charts/{HUB}/{name}").read_text()
        (hub / name).write_text(text.replace(HUB, PROVIDER))
    (hub / "people.yaml").write_text("admins: []\n")


async def test_a_provider_tells_who_somebody_is_and_in_which_groups(
    operator: Operator, door: Door, provider: Operator
) -> None:
    """With the settings of the documentation for OpenID Connect."""
    address, inside = provider.access.url, f"http://proxy-public.{PROVIDER}/{PROVIDER}"

    async def enter(browser: httpx2.AsyncClient, name: str, *, right: bool) -> None:
        await by_provider(browser, address, name, PASSWORD if right else WRONG)

    config = {
        "oauth_callback_url": f"{operator.access.url}hub/oauth_callback",
        "login_service": "the other hub",
        "authorize_url": f"{address}hub/api/oauth2/authorize",
        "token_url": f"{inside}/hub/api/oauth2/token",
        "userdata_url": f"{inside}/hub/api/user",
        "scope": ["read:users!user"],
        "username_claim": "name",
        "manage_groups": True,
        "auth_state_groups_key": "oauth_user.groups",
        "allowed_groups": ["course"],
    }

    def oauth(secret: str) -> Way:
        secrets = {"client_id": CLIENT, "client_secret": secret}
        return Way(
            "generic-oauth",
            enter,
            {"GenericOAuthenticator": config},
            {"GenericOAuthenticator": secrets},
        )

    way = oauth(CLIENT_SECRET)
    await way.open(operator)
    await require_standings(way, door, MEMBERS)
    await oauth("d" * 64).open(operator)
    browser = await door()
    await enter(browser, "ada", right=True)
    assert await standing(browser) == OUT, "the provider does not know this client"
