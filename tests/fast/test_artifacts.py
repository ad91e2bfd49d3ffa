"""The client of files beside images against a real HTTP server: how it logs in, and what an answer means."""

import base64
import hashlib
import json
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from fast.answering import Reply, Server, serve_answers
from hourglass import Hourglass
from hubops.answer import Absent, Present, Unknown
from hubops.clients.artifacts import Artifacts, attached_tag, attached_to
from hubops.clients.registry import Registry
from hubops.errors import OutOfReachError

DIGEST = "sha256:" + "a" * 64
SBOM = b"the list"
BLOB = f"sha256:{hashlib.sha256(SBOM).hexdigest()}"
MANIFEST = json.dumps({"mediaType": "m", "layers": [{"digest": BLOB}]}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    with serve_answers() as server:
        yield server


@pytest.fixture
def artifacts(server: Server, tmp_path: Path) -> Artifacts:
    """With the login ada:pw for the server."""
    login = base64.b64encode(b"ada:pw").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": login}}}))
    return Artifacts(Registry(tmp_path, 5, Hourglass().patience))


def stored(_method: str, path: str, _headers: Message) -> Reply:
    """A registry that has the file."""
    return (200, {}, SBOM if "/blobs/" in path else MANIFEST)


async def test_a_file_is_found_by_its_tag(server: Server, artifacts: Artifacts) -> None:
    server.reply = stored
    assert await artifacts.find(f"{server.host}/x", DIGEST, "sbom") == Present(SBOM)
    assert server.seen == [
        ("GET", f"/v2/x/manifests/{DIGEST.replace(':', '-')}.sbom"),
        ("GET", f"/v2/x/blobs/{BLOB}"),
    ]


async def test_the_login_is_used_when_it_is_asked_for(server: Server, artifacts: Artifacts) -> None:
    def basic(method: str, path: str, headers: Message) -> Reply:
        if headers["Authorization"] != f"Basic {base64.b64encode(b'ada:pw').decode()}":
            return (401, {"WWW-Authenticate": 'Basic realm="r"'}, b"")
        return stored(method, path, headers)

    def bearer(method: str, path: str, headers: Message) -> Reply:
        if path.startswith("/token"):
            right = path == "/token?service=s&scope=repository%3Ax%3Apull" and headers["Authorization"]
            return (200, {}, json.dumps({"token": "t" if right else ""}).encode())
        if headers["Authorization"] != "Bearer t":
            challenge = f'Bearer realm="http://{server.host}/token",service="s",scope="repository:x:pull"'
            return (401, {"WWW-Authenticate": challenge}, b"")
        return stored(method, path, headers)

    for server.reply in (basic, bearer):
        assert await artifacts.find(f"{server.host}/x", DIGEST, "sbom") == Present(SBOM)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
async def test_only_404_is_absent(status: int, server: Server, artifacts: Artifacts) -> None:
    assert await artifacts.find(f"{server.host}/x", DIGEST, "sbom") == Absent()
    server.reply = lambda *_: (status, {}, b"")
    found = await artifacts.find(f"{server.host}/x", DIGEST, "sbom")
    assert isinstance(found, Unknown)
    assert str(status) in found.reason
    with pytest.raises(OutOfReachError, match=str(status)):
        await artifacts.attach(f"{server.host}/x", DIGEST, "sbom", "m", SBOM)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"layers": 1}'])
async def test_what_is_no_manifest_is_unknown(body: bytes, server: Server, artifacts: Artifacts) -> None:
    server.reply = lambda *_: (200, {}, body)
    assert isinstance(await artifacts.find(f"{server.host}/x", DIGEST, "sbom"), Unknown)
    assert isinstance(await artifacts.find_documents(f"{server.host}/x", DIGEST), Unknown)


@pytest.mark.parametrize(
    "wrong",
    [{"layers": [{"size": 1}]}, {"layers": [{"digest": "d", "size": "much"}]}, {"config": {"digest": None}}],
    ids=repr,
)
async def test_what_does_not_describe_an_image_is_unknown(
    wrong: dict[str, object], server: Server, artifacts: Artifacts
) -> None:
    def stored_as(manifest: dict[str, object], config: object) -> str:
        text = json.dumps(config).encode()
        named = {"config": {"digest": f"sha256:{hashlib.sha256(text).hexdigest()}"}, "layers": [], **manifest}
        packed = json.dumps(named).encode()
        server.reply = lambda _method, path, _headers: (200, {}, text if "/blobs/" in path else packed)
        return f"sha256:{hashlib.sha256(packed).hexdigest()}"

    assert isinstance(await artifacts.find_documents(f"{server.host}/x", stored_as({}, {})), Present)
    for manifest, config in ((wrong, {}), ({}, []), ({}, {"config": 1}), ({}, {"history": [1]})):
        found = await artifacts.find_documents(f"{server.host}/x", stored_as(manifest, config))
        assert isinstance(found, Unknown)


async def test_a_blob_that_is_another_is_unknown(server: Server, artifacts: Artifacts) -> None:
    server.reply = lambda _method, path, _headers: (200, {}, b"else" if "/blobs/" in path else MANIFEST)
    assert isinstance(await artifacts.find(f"{server.host}/x", DIGEST, "sbom"), Unknown)


async def test_an_upload_goes_where_the_registry_says(server: Server, artifacts: Artifacts) -> None:
    def reply(method: str, *_: object) -> Reply:
        if method == "HEAD":
            return (404, {}, b"")
        if method == "POST":
            return (202, {"Location": "/elsewhere?state=1"}, b"")
        return (200 if method == "GET" else 201, {}, MANIFEST if method == "GET" else b"")

    server.reply = reply
    digest = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
    await artifacts.attach(f"{server.host}/x", digest, "sbom", "m", SBOM)
    puts = [path for method, path in server.seen if method == "PUT"]
    assert puts[1:] == [
        f"/elsewhere?state=1&digest={BLOB.replace(':', '%3A')}",
        f"/v2/x/manifests/{digest.replace(':', '-')}.sbom",
    ]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}"])
async def test_a_page_in_place_of_the_image_is_no_success(
    body: bytes, server: Server, artifacts: Artifacts
) -> None:
    server.reply = lambda *_: (200, {}, body)
    for digest in (DIGEST, f"sha256:{hashlib.sha256(body).hexdigest()}"):
        with pytest.raises(OutOfReachError):
            await artifacts.attach(f"{server.host}/x", digest, "sbom", "m", SBOM)


def test_a_tag_leads_back_to_the_image() -> None:
    assert attached_to(attached_tag(DIGEST, "sbom"), "sbom") == DIGEST
    for tag in ("c1", "sha256-1.sbom", DIGEST.replace(":", "-"), attached_tag(DIGEST, "sig")):
        assert attached_to(tag, "sbom") == ""
