"""The gate against a real server on a Unix socket: what it passes on, counts, refuses and cuts."""

import asyncio
import json
import signal
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from hubops.answer import Unknown
from hubops.clients.gate import Fault, Gate, Write
from hubops.clients.kube import Kube
from hubops.errors import ClusterError, OutOfReachError, RefusedError

Message = MutableMapping[str, Any]
PODS = "/api/v1/namespaces/a/pods"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass
class Upstream:
    """A server that notes what reaches it and answers with it; a watch sends `lines` until it is left."""

    seen: list[Message] = field(default_factory=list)
    lines: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]
    ) -> None:
        body = (await receive())["body"]
        self.seen.append({**scope, "body": body})
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-from", b"upstream")]})
        if b"watch=true" in scope["query_string"]:
            await self._watch(receive, send)
        else:
            data = json.dumps({"path": scope["raw_path"].decode(), "body": body.decode()}).encode()
            await send({"type": "http.response.body", "body": data})

    async def _watch(self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            line = asyncio.create_task(self.lines.get())
            await asyncio.wait([gone, line], return_when=asyncio.FIRST_COMPLETED)
            if line.done():
                await send({"type": "http.response.body", "body": line.result(), "more_body": True})
            line.cancel()
        self.left.set()


@asynccontextmanager
async def serving(socket: Path) -> AsyncIterator[Upstream]:
    upstream, state = Upstream(), ServerState()
    config = uvicorn.Config(upstream, http="h11", lifespan="off", log_config=None, log_level="critical")
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: H11Protocol(config, state, {}), str(socket))
    yield upstream
    server.close()
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.gather(*state.tasks, return_exceptions=True)


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
async def upstream(socket: Path) -> AsyncIterator[Upstream]:
    async with serving(socket) as upstream:
        yield upstream


async def test_a_request_arrives_byte_for_byte(upstream: Upstream, socket: Path) -> None:
    async with Gate(socket).open() as gate, gate.client() as client:
        path = f"{PODS}/a%2Fb?labelSelector=x%3Dy%2Cz+in+%28q%29&limit=5"
        answer = await client.post(path, content=b"\x00k8s", headers={"Content-Type": "application/x"})
    seen = upstream.seen[0]
    assert (seen["method"], seen["raw_path"], seen["body"]) == ("POST", f"{PODS}/a%2Fb".encode(), b"\x00k8s")
    assert seen["query_string"] == b"labelSelector=x%3Dy%2Cz+in+%28q%29&limit=5"
    headers = dict(seen["headers"])
    assert headers[b"content-type"] == b"application/x"
    assert headers[b"host"] == b"localhost"
    assert (answer.status_code, answer.headers["x-from"]) == (201, "upstream")


async def test_only_writes_are_in_the_journal(upstream: Upstream, socket: Path) -> None:
    async with Gate(socket).open() as gate, gate.client() as client:
        await client.get(PODS)
        await client.post(REVIEW, json={})
        await client.patch(f"{PODS}/x?dryRun=All", json={})
        assert gate.writes == []
        await client.put("/api/v1/namespaces/a/configmaps/selfsubjectaccessreviews", json={})
        await client.patch(f"{PODS}/x?labels=dryRun%3DAll", json={})
        # Its body holds the options; the API server then does not look at the query.
        await client.request("DELETE", f"{PODS}/x?dryRun=All", json={"dryRun": []})
    assert [write.method for write in gate.writes] == ["PUT", "PATCH", "DELETE"]
    assert gate.writes[2] == Write("DELETE", f"{PODS}/x", 201)
    assert len(upstream.seen) == 6


async def test_after_closing_reads_go_on_and_writes_say_why_not(upstream: Upstream, socket: Path) -> None:
    async with Gate(socket).open() as gate, gate.client() as client:
        gate.close("the run was cancelled")
        await Kube(client).request("GET", PODS)
        with pytest.raises(ClusterError) as caught:
            await Kube(client).create(PODS, {})
    assert "the run was cancelled" in caught.value.why
    assert [seen["method"] for seen in upstream.seen] == ["GET"]
    assert gate.writes == []


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        ([201, 200], ""),
        ([422], ""),
        ([409, 500], "PATCH /x: HTTP 500"),
        ([0], "PATCH /x: no answer"),
        ([429], "PATCH /x: HTTP 429"),
        ([503, 200], ""),
        ([200, 503], "PATCH /x: HTTP 503"),
    ],
)
def test_a_write_that_nobody_decided_is_told_unless_it_was_done_later(statuses: list[int], why: str) -> None:
    gate = Gate(Path("unused"), writes=[Write("PATCH", "/x", status) for status in (500, *statuses)])
    assert gate.undecided(1) == why


async def test_a_dry_run_writes_nothing(upstream: Upstream, socket: Path) -> None:
    async with Gate(socket, dry_run=True).open() as gate, gate.client() as client:
        assert (await client.delete(f"{PODS}/x")).status_code == 403
        assert (await client.delete(f"{PODS}/x?dryRun=All")).status_code == 403
        assert (await client.post(REVIEW, json={})).status_code == 201
    assert len(upstream.seen) == 1


async def test_each_write_is_asked_for_and_no_read(upstream: Upstream, socket: Path) -> None:
    asked = []

    def permit(method: str, path: str) -> None:
        asked.append((method, path))
        raise RefusedError("the lease was lost", why="it could not be renewed")

    async with Gate(socket, permit=permit).open() as gate, gate.client() as client:
        await client.get(PODS)
        answer = await client.post(PODS, json={})
    assert asked == [("POST", PODS)]
    assert answer.json()["kind"] == "Status"
    assert "the lease was lost" in answer.json()["message"]
    assert len(upstream.seen) == 1


async def test_without_the_prefix_there_is_nothing(upstream: Upstream, socket: Path) -> None:
    async with Gate(socket).open() as gate, httpx2.AsyncClient() as client:
        host, prefix = gate.url.rsplit("/", 1)
        for path in (PODS, f"/{prefix}x{PODS}", f"/{prefix[:-1]}{PODS}", "/"):
            assert (await client.get(host + path)).status_code == 404
    assert len(prefix) >= 32
    assert upstream.seen == []


async def test_a_watch_is_passed_on_line_by_line_and_left_when_its_reader_leaves(
    upstream: Upstream, socket: Path
) -> None:
    async with Gate(socket).open() as gate, gate.client() as client:
        async with asyncio.timeout(5), client.stream("GET", f"{PODS}?watch=true") as answer:
            pieces = answer.aiter_raw()
            for line in (b"one\n", b"two\n"):
                upstream.lines.put_nowait(line)
                assert await anext(pieces) == line
        await asyncio.wait_for(upstream.left.wait(), 5)


async def test_an_open_watch_does_not_hold_the_end_up(upstream: Upstream, socket: Path) -> None:
    loop = asyncio.get_running_loop()
    async with Gate(socket).open() as gate, gate.client() as client:
        request = client.build_request("GET", f"{PODS}?watch=true")
        upstream.lines.put_nowait(b"one\n")
        answer = await client.send(request, stream=True)
        began = loop.time()
    assert loop.time() - began < 0.5
    with pytest.raises(httpx2.HTTPError):
        await answer.aread()


async def test_a_cluster_that_is_away_is_unknown_and_never_absent(tmp_path: Path) -> None:
    async with Gate(tmp_path / "nobody").open() as gate, gate.client() as client:
        assert isinstance(await Kube(client).find(f"{PODS}/x"), Unknown)
        with pytest.raises(OutOfReachError):
            await Kube(client).create(PODS, {})
    assert gate.writes == [Write("POST", PODS, 0)]


@pytest.mark.parametrize(
    ("fault", "passed_on"), [(Fault(status=503), 0), (Fault(cut=True), 0), (Fault(delay_s=0.2), 1)]
)
async def test_faults_hit_the_request_they_are_meant_for(
    upstream: Upstream, socket: Path, fault: Fault, passed_on: int
) -> None:
    gate = Gate(socket, fault=lambda method, _: fault if method == "POST" else None)
    loop = asyncio.get_running_loop()
    async with gate.open(), gate.client() as client:
        assert (await client.get(PODS)).status_code == 201
        began = loop.time()
        try:
            status = (await client.post(PODS, json={})).status_code
        except httpx2.RemoteProtocolError:
            status = 0
    assert status == (0 if fault.cut else fault.status or 201)
    assert loop.time() - began >= fault.delay_s
    assert len(upstream.seen) == 1 + passed_on


async def test_the_kubeconfig_is_for_the_owner_only(socket: Path, tmp_path: Path) -> None:
    async with Gate(socket).open() as gate:
        gate.write_kubeconfig(tmp_path / "k")
        assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
        config = json.loads((tmp_path / "k").read_text())
    assert config["clusters"][0]["cluster"] == {"server": gate.url}
    assert config["contexts"][0]["name"] == config["current-context"]


async def test_signals_stay_with_the_process(socket: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    async with Gate(socket).open():
        assert {number: signal.getsignal(number) for number in before} == before
