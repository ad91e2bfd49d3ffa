"""The gate: the only way by which helm and other writers reach the API server (docs/adr/0002)."""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from hubops.errors import RefusedError

_READS = {"GET", "HEAD", "OPTIONS"}
# Questions in the form of a POST: they store nothing.
_REVIEW_GROUPS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")
# RFC 9110, section 7.6.1: these concern one connection, not the message. Dropping them also keeps exec and
# attach out, which are writes in the form of an upgraded GET. The body is passed on in one piece.
_HOP_BY_HOP = {
    b"connection",
    b"expect",
    b"host",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
# A client may keep a connection as long as it likes: one that we close while it sends a write loses the write.
_KEEP_ALIVE_S = 24 * 3600
_CLIENT_TIMEOUT = httpx2.Timeout(30, connect=5)

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
    permit: Callable[[str, str], None] = lambda method, path: None  # noqa: ARG005 - the names say what it takes
    dry_run: bool = False
    fault: Callable[[str, str], Fault | None] = lambda method, path: None  # noqa: ARG005 - the names say what it takes
    writes: list[Write] = field(default_factory=list)
    url: str = ""
    _refused: str = ""
    _closed: str = ""
    _prefix: str = field(default_factory=lambda: "/" + secrets.token_urlsafe(24))

    def close(self, reason: str) -> None:
        """Refuse every write from now on."""
        self._closed = reason

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Gate"]:
        """Listen on a free port of the loopback interface; at the end every connection is cut."""
        # Only on a socket that says TCP does asyncio switch Nagle's delay off, 40 ms per request.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            listener.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}{self._prefix}"
            async with _upstream(self.upstream) as upstream, _serving(listener, self._app(upstream)):
                yield self

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

    def client(self) -> httpx2.AsyncClient:
        """A client for `Kube` whose writes pass the gate; the environment's proxies cannot reach loopback."""
        return httpx2.AsyncClient(base_url=self.url, verify=False, trust_env=False, timeout=_CLIENT_TIMEOUT)

    def _app(self, upstream: httpx2.AsyncHTTPTransport) -> "_App":
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = await _request(scope, receive, self._prefix)
            if request is None:
                await _refuse(send, 404, "not found")
            elif await self._stumbles(request, send):
                return
            elif refusal := self._refusal(request):
                await _refuse(send, 403, refusal)
            else:
                await _pass_on(upstream, request, _Client(receive, send), self._journal(request))

        return app

    def _refusal(self, request: "_Request") -> str:
        """Why a write is not let through; empty for one that is, and for a read."""
        if not request.is_write:
            return ""
        if self._closed:
            return f"the gate is closed: {self._closed}"
        if self.dry_run:
            return "the gate refuses writes in a dry run"
        try:
            self.permit(request.method, request.path)
        except RefusedError as error:
            self._refused = str(error)
            return self._refused
        return ""

    def undecided(self, since: int = 0) -> str:
        """Why a helm that failed says nothing of its release: a write from the journal's `since`-th on that was not decided.

        Not by us, who were no longer permitted to write, nor by an API server that was changing over or asked for patience (429,
        5xx, no answer) and was not asked again with success. "" when each was.
        """
        last = {(write.method, write.path): write.status for write in self.writes[since:]}
        lost = (
            f"{method} {path}: {said}" for (method, path), status in last.items() if (said := _said(status))
        )
        return self._refused or next(lost, "")

    def _journal(self, request: "_Request") -> Callable[[int], None]:
        """Enter a write, before it is passed on; its status is added by what is returned."""
        if not request.is_write:
            return lambda status: None  # noqa: ARG005 - the names say what it takes
        place = len(self.writes)
        self.writes.append(Write(request.method, request.path))

        def record(status: int) -> None:
            self.writes[place] = Write(request.method, request.path, status)

        return record

    async def _stumbles(self, request: "_Request", send: Send) -> bool:
        """Do what a test asked for; whether that was the answer."""
        fault = self.fault(request.method, request.path)
        if fault is None:
            return False
        await asyncio.sleep(fault.delay_s)
        if fault.cut:
            request.cut()
        elif fault.status:
            await _refuse(send, fault.status, "by a test")
        return fault.cut or bool(fault.status)


def _said(status: int) -> str:
    """How an undecided write was answered; "" for a decision."""
    return "no answer" if not status else f"HTTP {status}" if status == 429 or status >= 500 else ""  # noqa: PLR2004


_App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class _Client:
    """The two directions of one request at whoever sent it."""

    receive: Receive
    send: Send


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    cut: Callable[[], None]

    @property
    def is_write(self) -> bool:
        if self.method in _READS:
            return False
        if self.method == "POST" and self.path.startswith(_REVIEW_GROUPS):
            return False
        # A DELETE has its options in its body, and then the API server does not look at the query.
        is_dry = self.method != "DELETE" and parse_qs(self.query.decode()).get("dryRun") == ["All"]
        return not is_dry


async def _request(scope: Scope, receive: Receive, prefix: str) -> _Request | None:
    """The request as it is passed on; None without the prefix that is the credential."""
    path = scope["raw_path"].decode()
    if not path.startswith(prefix + "/"):
        return None
    headers = [(name, value) for name, value in scope["headers"] if name not in _HOP_BY_HOP]
    method, cut = scope["method"], scope["state"]["cut"]
    body = b"" if method in _READS else await _body(receive)
    return _Request(method, path.removeprefix(prefix), scope["query_string"], headers, body, cut)


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _upstream(path: Path) -> httpx2.AsyncHTTPTransport:
    """The transport without a client on top: no header, cookie, redirect or decoding of its own."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)
    return httpx2.AsyncHTTPTransport(uds=str(path), verify=False, trust_env=False, limits=limits)


class _Connection(H11Protocol):
    """uvicorn's side of one connection; the application may cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio has a wider type for it
        super().connection_made(transport)
        self.app_state = {"cut": transport.abort}


@asynccontextmanager
async def _serving(listener: socket.socket, app: _App) -> AsyncIterator[None]:
    """The protocol of uvicorn without its server, which takes the process's signals and wakes ten times a second."""
    state, config = ServerState(), _config(app)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(config, state, {}), sock=listener)
    try:
        yield
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        for task in state.tasks:
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


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
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )


async def _pass_on(
    upstream: httpx2.AsyncHTTPTransport, request: _Request, client: _Client, record: Callable[[int], None]
) -> None:
    """Forward a request and stream its answer, byte for byte, until one side ends it."""
    target = request.path.encode() + (b"?" + request.query if request.query else b"")
    outgoing = httpx2.Request(
        request.method,
        "http://localhost",
        headers=request.headers,
        content=request.body or None,
        extensions={"target": target},
    )
    try:
        response = await upstream.handle_async_request(outgoing)
    except httpx2.HTTPError as error:
        await _refuse(client.send, 502, f"the cluster does not answer: {error or type(error).__name__}")
        return
    record(response.status_code)
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - an async transport gives no other
    try:
        await _stream(response, response.stream, client)
    except httpx2.HTTPError:
        request.cut()  # as it was cut for us: a part must not look like the whole
    finally:
        await response.aclose()


async def _stream(response: httpx2.Response, pieces: httpx2.AsyncByteStream, client: _Client) -> None:
    headers = [(k.lower(), v) for k, v in response.headers.raw if k.lower() not in _HOP_BY_HOP]
    await client.send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    leaving = asyncio.create_task(_end_when_left(client.receive, asyncio.current_task()))
    try:
        async for piece in pieces:
            await client.send({"type": "http.response.body", "body": piece, "more_body": True})
        await client.send({"type": "http.response.body", "body": b""})
    finally:
        leaving.cancel()


async def _end_when_left(receive: Receive, task: "asyncio.Task[Any] | None") -> None:
    """A watch has no end of its own: helm leaves it by closing the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if task:
        task.cancel()


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
