"""The registry client against a real HTTP server that answers as it is told: only 404 means absent."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

import pytest

from fast.answering import Reply, Server, serve_answers
from hourglass import Hourglass
from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients.docker_config import find_login
from hubops.clients.registry import Registry, base_url
from hubops.errors import MachineError

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def server() -> Iterator[Server]:
    with serve_answers() as server:
        yield server


async def ask(server: Server, config: Path, timeout_s: float = 5) -> Answer[str]:
    return await patient(config, timeout_s).find_digest(f"{server.host}/hubops/earth", "c1")


def patient(config: Path, timeout_s: float = 5) -> Registry:
    """It asks again as often as ever, and waits for nothing in between."""
    return Registry(config, timeout_s, Hourglass().patience)


@pytest.mark.parametrize("status", [400, 401, 403, 405, 429, 500, 502, 503, 504])
async def test_every_other_status_is_unknown_and_named(status: int, server: Server, tmp_path: Path) -> None:
    server.reply = lambda *_: (status, {}, b"")
    answer = await ask(server, tmp_path)
    assert isinstance(answer, Unknown)
    assert str(status) in answer.reason


async def test_404_is_absent(server: Server, tmp_path: Path) -> None:
    assert await ask(server, tmp_path) == Absent()
    assert server.seen == [("HEAD", "/v2/hubops/earth/manifests/c1")]


async def test_present_with_its_digest_by_one_request(server: Server, tmp_path: Path) -> None:
    server.reply = lambda *_: (200, {"Docker-Content-Digest": DIGEST}, b"")
    assert await ask(server, tmp_path) == Present(DIGEST)
    assert [method for method, _ in server.seen] == ["HEAD"]


@pytest.mark.parametrize("named", ["", "sha256:short", "latest"])
async def test_a_registry_that_names_no_digest_has_it_counted(
    named: str, server: Server, tmp_path: Path
) -> None:
    body = b'{"schemaVersion": 2}'
    server.reply = lambda *_: (200, {"Docker-Content-Digest": named} if named else {}, body)
    assert await ask(server, tmp_path) == Present(f"sha256:{hashlib.sha256(body).hexdigest()}")
    assert [method for method, _ in server.seen] == ["HEAD", "GET"]


@pytest.mark.parametrize("page", [b"<html>", b"{}", b"[]", b""])
async def test_the_page_of_somebody_in_between_is_no_image(
    page: bytes, server: Server, tmp_path: Path
) -> None:
    server.reply = lambda *_: (200, {"Content-Type": "text/html"}, page)
    assert isinstance(await ask(server, tmp_path), Unknown)


async def test_all_manifest_kinds_are_asked_for(server: Server, tmp_path: Path) -> None:
    accepted: list[str] = []

    def reply(_method: str, _path: str, headers: Message) -> Reply:
        accepted.append(headers["Accept"])
        return (404, {}, b"")

    server.reply = reply
    await ask(server, tmp_path)
    for kind in ("oci.image.index", "oci.image.manifest", "manifest.list", "distribution.manifest.v2"):
        assert kind in accepted[0]


async def test_a_cut_connection_is_unknown(server: Server, tmp_path: Path) -> None:
    server.reply = lambda *_: None
    assert isinstance(await ask(server, tmp_path), Unknown)


async def test_silence_is_unknown(server: Server, tmp_path: Path) -> None:
    answered = threading.Event()

    def reply(*_: object) -> Reply:
        answered.wait(5)
        return (200, {"Docker-Content-Digest": DIGEST}, b"")

    server.reply = reply
    assert isinstance(await ask(server, tmp_path, timeout_s=0.2), Unknown)
    answered.set()


async def test_a_closed_port_is_unknown(tmp_path: Path) -> None:
    assert isinstance(await patient(tmp_path).find_digest("localhost:1/x", "c1"), Unknown)
    assert await Registry(tmp_path).find_fault("localhost:1") != ""


def write_config(directory: Path, **config: object) -> None:
    (directory / "config.json").write_text(json.dumps(config))


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def with_tokens(server: Server, *, wanted: str) -> Callable[[str, str, Message], Reply]:
    """A registry that wants a token, and a token service that wants `wanted` as Authorization."""

    def reply(_method: str, path: str, headers: Message) -> Reply:
        if path.startswith("/token"):
            good = headers.get("Authorization", "") == wanted
            return (200, {}, b'{"token": "t0"}') if good else (401, {}, b"")
        if headers["Authorization"] == "Bearer t0":
            return (200, {"Docker-Content-Digest": DIGEST}, b"")
        realm = f'Bearer realm="http://{server.host}/token",service="s",scope="repository:hubops/earth:pull"'
        return (401, {"WWW-Authenticate": realm}, b"")

    return reply


async def test_an_anonymous_token(server: Server, tmp_path: Path) -> None:
    server.reply = with_tokens(server, wanted="")
    assert await ask(server, tmp_path) == Present(DIGEST)
    assert server.seen[1] == ("GET", "/token?service=s&scope=repository%3Ahubops%2Fearth%3Apull")


async def test_a_token_for_the_login_in_the_file(server: Server, tmp_path: Path) -> None:
    write_config(tmp_path, auths={server.host: {"auth": encoded("ada", "pw:x")}})
    server.reply = with_tokens(server, wanted=f"Basic {encoded('ada', 'pw:x')}")
    assert await ask(server, tmp_path) == Present(DIGEST)


async def test_a_refused_token_is_unknown_and_tells_no_password(server: Server, tmp_path: Path) -> None:
    write_config(tmp_path, auths={server.host: {"auth": encoded("ada", "canary-0123")}})
    server.reply = with_tokens(server, wanted="Basic other")
    answer = await ask(server, tmp_path)
    assert isinstance(answer, Unknown)
    assert "canary" not in answer.reason
    assert encoded("ada", "canary-0123") not in answer.reason


async def test_a_refresh_token_is_exchanged(server: Server, tmp_path: Path) -> None:
    write_config(tmp_path, auths={server.host: {"identitytoken": "refresh"}})
    server.reply = with_tokens(server, wanted="")
    assert await ask(server, tmp_path) == Present(DIGEST)
    assert server.seen[1] == ("POST", "/token")


async def test_a_basic_challenge(server: Server, tmp_path: Path) -> None:
    write_config(tmp_path, auths={server.host: {"auth": encoded("ada", "pw")}})

    def reply(_method: str, _path: str, headers: Message) -> Reply:
        if headers["Authorization"] == f"Basic {encoded('ada', 'pw')}":
            return (200, {"Docker-Content-Digest": DIGEST}, b"")
        return (401, {"WWW-Authenticate": 'Basic realm="r"'}, b"")

    server.reply = reply
    assert await ask(server, tmp_path) == Present(DIGEST)


async def test_a_damaged_token_answer_is_unknown(server: Server, tmp_path: Path) -> None:
    realm = {"WWW-Authenticate": f'Bearer realm="http://{server.host}/token"'}
    server.reply = lambda _method, path, _headers: (
        (200, {}, b"<html>") if path.startswith("/token") else (401, realm, b"")
    )
    assert isinstance(await ask(server, tmp_path), Unknown)


@pytest.mark.parametrize(("status", "fault"), [(200, ""), (401, ""), (403, "HTTP 403"), (503, "HTTP 503")])
async def test_whether_a_registry_can_be_used(
    status: int, fault: str, server: Server, tmp_path: Path
) -> None:
    server.reply = lambda *_: (status, {}, b"")
    assert await Registry(tmp_path).find_fault(server.host) == fault


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost:5001", "http://localhost:5001"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("localhost.example.org", "https://localhost.example.org"),
        ("ghcr.io", "https://ghcr.io"),
        ("docker.io", "https://registry-1.docker.io"),
    ],
)
def test_plain_http_on_this_machine_only(host: str, url: str) -> None:
    assert base_url(host) == url


def helper(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = directory / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


async def test_a_credential_helper_is_asked_for_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, monkeypatch, 'printf \'{"Username": "u", "Secret": "for %s"}\' "$(cat)"')
    write_config(tmp_path, credsStore="other", credHelpers={"ghcr.io": "test"})
    login = await find_login(tmp_path, "ghcr.io")
    assert login is not None
    assert login.basic == f"Basic {encoded('u', 'for ghcr.io')}"
    assert "for ghcr.io" not in repr(login)


async def test_docker_hub_has_its_old_key(tmp_path: Path) -> None:
    write_config(tmp_path, auths={"https://index.docker.io/v1/": {"auth": encoded("a", "b")}})
    login = await find_login(tmp_path, "docker.io")
    assert login is not None
    assert login.user == "a"


async def test_a_helper_without_a_login_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, monkeypatch, "echo credentials not found in native keychain; exit 1")
    write_config(tmp_path, credsStore="test")
    assert await find_login(tmp_path, "ghcr.io") is None


@pytest.mark.parametrize("script", ["echo locked >&2; exit 1", "echo not json", "echo '{}'", "echo '[]'"])
async def test_a_failing_helper_is_an_error(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, monkeypatch, script)
    write_config(tmp_path, credsStore="test")
    with pytest.raises(MachineError, match="docker-credential-test"):
        await find_login(tmp_path, "ghcr.io")


async def test_a_missing_helper_is_unknown_not_absent(server: Server, tmp_path: Path) -> None:
    write_config(tmp_path, credsStore="does-not-exist")
    server.reply = lambda *_: (401, {"WWW-Authenticate": 'Basic realm="r"'}, b"")
    answer = await ask(server, tmp_path)
    assert isinstance(answer, Unknown)
    assert "does-not-exist" in answer.reason


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": {"ghcr.io": {"auth": "&"}}}'])
async def test_a_damaged_configuration_is_an_error_or_empty(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    if text == "[]":
        assert await find_login(tmp_path, "ghcr.io") is None
    else:
        with pytest.raises(MachineError):
            await find_login(tmp_path, "ghcr.io")
