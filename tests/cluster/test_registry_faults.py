"""A real registry behind a proxy that fails at every request in every way: what is told, and what is asked again."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from cluster.registry_server import Proxy, Request, serve_proxy, serve_registry, write_login
from hourglass import Hourglass
from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients.registry import Registry
from hubops.errors import OutOfReachError
from hubops.local.up import Local

INDEX = "application/vnd.oci.image.index.v1+json"
NAME = "hubops/earth"
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
SILENCE_S = 0.3
HARMS = ["401", "403", "404", "429", "500", "timeout", "cut"]
# The requests of one question, in their order.
REQUESTS = ["HEAD manifests, as a stranger", "GET token", "HEAD manifests, with the token"]


@pytest.fixture(scope="module")
async def address(local: Local, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with serve_registry(local.instance, tmp_path_factory.mktemp("registry")) as address:
        async with httpx2.AsyncClient() as client:
            url = f"http://{address}/v2/{NAME}/manifests/c1"
            (await client.put(url, content=MANIFEST, headers={"Content-Type": INDEX})).raise_for_status()
        yield address


@pytest.fixture
def proxy(address: str) -> Iterator[Proxy]:
    with serve_proxy(address, silence_s=2 * SILENCE_S) as proxy:
        proxy.guarded = True
        yield proxy


async def ask(proxy: Proxy, config: Path, tag: str = "c1") -> tuple[Answer[str], Hourglass]:
    time = Hourglass()
    registry = Registry(write_login(config, proxy.host), SILENCE_S, time.patience)
    return await registry.find_digest(f"{proxy.host}/{NAME}", tag, limit_s=4), time


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("at", range(3), ids=REQUESTS)
async def test_what_fails_once_is_asked_again(at: int, harm: str, proxy: Proxy, tmp_path: Path) -> None:
    """But for the registry's own 404, which is an answer: after a stranger's HEAD as after the other."""
    proxy.harm(lambda request: harm if request.number == at else "")
    answer, _ = await ask(proxy, tmp_path / "docker")
    own_404 = harm == "404" and at != 1
    assert answer == (Absent() if own_404 else Present(DIGEST))


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("at", range(3), ids=REQUESTS)
async def test_what_fails_for_ever_is_unknown(at: int, harm: str, proxy: Proxy, tmp_path: Path) -> None:
    def place(request: Request) -> int:
        return 1 if request.method == "GET" else 2 if request.authorized else 0

    proxy.harm(lambda request: harm if place(request) == at else "")
    answer, time = await ask(proxy, tmp_path / "docker")
    if harm == "404" and at != 1:
        assert answer == Absent()
        return
    assert isinstance(answer, Unknown)
    assert harm in answer.reason or harm in {"timeout", "cut"}
    assert proxy.host.split(":")[0] in answer.reason
    # Who refuses is asked three times, who is busy or silent until four seconds are over.
    refused = harm in {"401", "403", "404"}
    assert time.slept == ([0.25, 0.5] if refused else [0.25, 0.5, 1, 2])


@pytest.mark.parametrize(("harm", "asked"), [("429", "2"), ("429", "Thu, 01 Jan 2026 00:00:02 GMT")])
async def test_a_busy_registry_is_left_alone_as_long_as_it_asks(
    harm: str, asked: str, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.headers = {"Retry-After": asked, "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}
    proxy.harm(lambda request: harm if request.number == 2 else "")
    answer, time = await ask(proxy, tmp_path / "docker")
    assert answer == Present(DIGEST)
    assert time.slept == [2.25]


async def test_the_token_is_kept_for_the_next_question(proxy: Proxy, tmp_path: Path) -> None:
    registry = Registry(write_login(tmp_path / "docker", proxy.host), SILENCE_S, Hourglass().patience)
    for tag in ("c1", "c2", "c1"):
        await registry.find_digest(f"{proxy.host}/{NAME}", tag)
    assert [line.split()[0] for line in proxy.seen] == ["HEAD", "GET", "HEAD", "HEAD", "HEAD"]
    # One that ran out is asked for anew.
    proxy.harm(lambda request: "401" if request.number == 0 else "")
    assert isinstance(await registry.find_digest(f"{proxy.host}/{NAME}", "c1"), Present)


async def test_a_wrong_password_is_unknown_and_no_login_too(proxy: Proxy, tmp_path: Path) -> None:
    config = write_login(tmp_path / "docker", "localhost:1")
    registry = Registry(config, SILENCE_S, Hourglass().patience)
    answer = await registry.find_digest(f"{proxy.host}/{NAME}", "c1")
    assert isinstance(answer, Unknown)
    assert "token service answers HTTP 401" in answer.reason


async def test_tags_are_read_page_by_page_and_a_manifest_is_deleted_with_all_its_tags(
    address: str, proxy: Proxy, tmp_path: Path
) -> None:
    registry = Registry(write_login(tmp_path / "docker", proxy.host), 5, Hourglass().patience)
    name = f"{proxy.host}/hubops/tags"
    assert await registry.read_tags(name) == Absent()
    async with httpx2.AsyncClient() as client:
        for number in range(7):
            url = f"http://{address}/v2/hubops/tags/manifests/c{number}"
            content = MANIFEST + b" " * (number // 2)
            (await client.put(url, content=content, headers={"Content-Type": INDEX})).raise_for_status()
    found = await registry.read_tags(name)
    assert isinstance(found, Present)
    assert sorted(found.value) == [f"c{number}" for number in range(7)]
    assert found.value["c0"] == found.value["c1"] == DIGEST != found.value["c2"]
    assert await registry.read_manifest(name, DIGEST) == Present(json.loads(MANIFEST))
    for _ in range(2):
        await registry.delete(name, DIGEST)
    assert await registry.read_manifest(name, DIGEST) == Absent()
    left = await registry.read_tags(name)
    assert isinstance(left, Present)
    assert sorted(left.value) == [f"c{number}" for number in range(2, 7)]


@pytest.mark.parametrize("harm", ["401", "403", "404", "429", "500", "cut"])
async def test_no_fault_passes_for_a_deletion_or_for_an_empty_list(
    harm: str, proxy: Proxy, tmp_path: Path
) -> None:
    registry = Registry(write_login(tmp_path / "docker", proxy.host), SILENCE_S, Hourglass().patience)
    proxy.harm(lambda request: harm if request.method != "HEAD" and "/v2/" in request.path else "")
    tags = await registry.read_tags(f"{proxy.host}/{NAME}")
    if harm == "404":
        assert tags == Absent()
        await registry.delete(f"{proxy.host}/{NAME}", DIGEST)
    else:
        assert isinstance(tags, Unknown)
        with pytest.raises(OutOfReachError, match="nobody can tell whether"):
            await registry.delete(f"{proxy.host}/{NAME}", DIGEST)
    proxy.harm(lambda _: "")
    assert await registry.find_digest(f"{proxy.host}/{NAME}", "c1") == Present(DIGEST)
