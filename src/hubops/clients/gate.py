"""The gate: the only way by which helm and other writers reach the API server (docs/adr/0002)."""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from hubops.errors import RefusedError

_READS = {"GET", "HEAD", "OPTIONS"}
# Questions in the form of a POST: they store nothing.
_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews", "tokenreviews")
# RFC 9110, section 7.6.1: these concern one connection, not the message.
_HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"host",
}
_TIMEOUT = httpx2.Timeout(None, connect=5)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Write:
    """A mutating request that was passed on; status 0 while nothing came back."""

    method: str
    path: str
    status: int = 0


@dataclass(frozen=True)
class Fault:
    """What a test wants to go wrong: wait, then answer with `status`, or cut the connection."""

    delay_s: float = 0
    status: int = 0
    cut: bool = False


@dataclass
class Gate:
    """A reverse proxy to the API server on `upstream`, a Unix socket, while `open` is entered.

    `permit` is asked before each mutating request and raises RefusedError to forbid it. `writes` is
    the journal. After `close`, and in a dry run, every write is refused; reads go on.
    """

    upstream: Path
    permit: Callable[[str, str], None] = lambda method, path: None  # noqa: ARG005
    dry_run: bool = False
    fault: Callable[[str, str], Fault | None] = lambda method, path: None  # noqa: ARG005
    writes: list[Write] = field(default_factory=list)
    url: str = ""
    _closed: str = ""
    _prefix: str = field(default_factory=lambda: "/" + secrets.token_urlsafe(24))

    def close(self, reason: str) -> None:
        """Refuse every write from now on."""
        self._closed = reason

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Gate"]:
        """Listen on a free port of the loopback interface."""
        # Only on a socket that says TCP does asyncio switch Nagle's delay off, 40 ms per request.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            listener.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}{self._prefix}"
            transport = httpx2.AsyncHTTPTransport(
                uds=str(self.upstream), limits=httpx2.Limits(max_connections=None)
            )
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://localhost", timeout=_TIMEOUT
            ) as client:
                server = _Server(_config(self._answer(client)))
                serving = asyncio.create_task(server.serve([listener]))
                try:
                    yield self
                finally:
                    server.should_exit = server.force_exit = True
                    await serving

    def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig that leads through the gate. The path in it is the credential."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "gate", "cluster": {"server": self.url}}],
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": ""}}],
            "current-context": "gate",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(document))

    def _answer(self, client: httpx2.AsyncClient) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope["raw_path"].decode()
            if scope["type"] != "http" or not path.startswith(self._prefix + "/"):
                await _refuse(send, 404, "not found")
                return
            request = _request(scope, path.removeprefix(self._prefix))
            if await self._stumbles(request, send):
                return
            if request.is_write:
                try:
                    self._require_permission(request)
                except RefusedError as error:
                    await _refuse(send, 403, str(error))
                    return
                self.writes.append(Write(request.method, request.path))
            await _pass_on(client, request, receive, send, self._record(request, len(self.writes) - 1))

        return answer

    def _require_permission(self, request: "_Request") -> None:
        if self._closed:
            raise RefusedError(f"the gate is closed: {self._closed}")
        if self.dry_run:
            raise RefusedError("the gate refuses writes in a dry run")
        self.permit(request.method, request.path)

    def _record(self, request: "_Request", index: int) -> Callable[[int], None]:
        def record(status: int) -> None:
            if request.is_write:
                self.writes[index] = Write(request.method, request.path, status)

        return record

    async def _stumbles(self, request: "_Request", send: Send) -> bool:
        """Do what a test asked for; whether that was the answer."""
        fault = self.fault(request.method, request.path)
        if fault is None:
            return False
        await asyncio.sleep(fault.delay_s)
        if fault.cut:
            raise ConnectionAbortedError("cut by a test")
        if fault.status:
            await _refuse(send, fault.status, "by a test")
        return bool(fault.status)


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: str
    headers: list[tuple[bytes, bytes]]

    @property
    def is_write(self) -> bool:
        is_review = self.path.rsplit("/", 1)[-1] in _REVIEWS
        return not (self.method in _READS or is_review or "dryRun=All" in self.query)


def _request(scope: Scope, path: str) -> _Request:
    headers = [(k, v) for k, v in scope["headers"] if k.lower() not in _HOP_BY_HOP]
    return _Request(scope["method"], path, scope["query_string"].decode(), headers)


class _Server(uvicorn.Server):
    """uvicorn inside our event loop: signals stay with whoever owns the process."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator there
        return nullcontext()


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )


async def _pass_on(
    client: httpx2.AsyncClient, request: _Request, receive: Receive, send: Send, record: Callable[[int], None]
) -> None:
    """Forward a request and stream its answer, byte for byte, until one side ends it."""
    target = request.path + (f"?{request.query}" if request.query else "")
    content = await _body(receive)
    outgoing = client.build_request(request.method, target, headers=request.headers, content=content)
    try:
        response = await client.send(outgoing, stream=True)
    except httpx2.HTTPError as error:
        await _refuse(send, 502, f"the cluster does not answer: {error or type(error).__name__}")
        return
    record(response.status_code)
    gone = asyncio.create_task(_gone(receive))
    try:
        await _start(send, response)
        await _stream(response, send, gone)
    finally:
        gone.cancel()
        await response.aclose()


async def _start(send: Send, response: httpx2.Response) -> None:
    headers = [(k, v) for k, v in response.headers.raw if k.lower() not in _HOP_BY_HOP]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})


async def _stream(response: httpx2.Response, send: Send, gone: "asyncio.Task[None]") -> None:
    pieces = response.aiter_raw()
    while True:
        piece = asyncio.ensure_future(anext(pieces, None))
        await asyncio.wait([piece, gone], return_when=asyncio.FIRST_COMPLETED)
        if not piece.done():
            # The other side left, as helm does with a watch; nobody reads any more.
            piece.cancel()
            await asyncio.gather(piece, return_exceptions=True)
            return
        data = piece.result()
        await send({"type": "http.response.body", "body": data or b"", "more_body": data is not None})
        if data is None:
            return


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, code: int, message: str) -> None:
    """Answer as the API server would, so that helm shows the message."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f"hubops: {message}",
        "reason": {403: "Forbidden", 404: "NotFound"}.get(code, "InternalError"),
        "code": code,
    }
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": data})
