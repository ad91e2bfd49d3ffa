"""A real registry of a test's own on the loopback interface, and a proxy before it that does harm."""

import asyncio
import base64
import http.client
import json
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cluster.conftest import free_port
from hubops.clients.registry import Registry
from hubops.local.docker import find_docker
from hubops.local.instance import Instance

USER, PASSWORD, TOKEN = "ada", "pw", "t0"
_SETTINGS = {"REGISTRY_STORAGE_DELETE_ENABLED": "true", "REGISTRY_LOG_LEVEL": "error"}
_PROGRAM = "docker-registry"
_HOP = {"connection", "transfer-encoding", "content-length", "host", "date", "server"}


@asynccontextmanager
async def serve_registry(instance: Instance, directory: Path, **settings: str) -> AsyncIterator[str]:
    """Its address. The program from PATH, with its data in `directory`; else the image of the local cluster's."""
    address = f"localhost:{free_port()}"
    env = {**_SETTINGS, **settings, "REGISTRY_HTTP_ADDR": address}
    server = _serve_program if shutil.which(_PROGRAM) else _serve_container
    async with server(instance, directory, env):
        while await Registry().find_fault(address):
            await asyncio.sleep(0.1)
        yield address


@asynccontextmanager
async def _serve_program(_: Instance, directory: Path, env: Mapping[str, str]) -> AsyncIterator[None]:
    config = directory / "registry.yml"
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n")
    program = await asyncio.create_subprocess_exec(
        str(shutil.which(_PROGRAM)), "serve", config, env=env, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        program.kill()
        await program.wait()


@asynccontextmanager
async def _serve_container(instance: Instance, _: Path, env: Mapping[str, str]) -> AsyncIterator[None]:
    docker = await find_docker()
    assert docker
    image = await docker("inspect", "--format", "{{.Config.Image}}", instance.registry_container)
    words = ["run", "--detach", "--rm", "--network=host", "--tmpfs=/var/lib/registry:size=64m"]
    container = await docker(*words, *(f"--env={k}={v}" for k, v in env.items()), image.strip())
    try:
        yield
    finally:
        await docker("rm", "--force", container.strip())


@dataclass(frozen=True)
class Request:
    """The `number`th since the fault was set, from 0; whether it came with a login or a token."""

    number: int
    method: str
    path: str
    authorized: bool


Fault = Callable[[Request], str]


@dataclass
class Proxy:
    """`fault` names the harm to a request, or ""; `seen` are all since it was set, `headers` go with the harm.

    Harm: an HTTP status, "timeout" or "cut". With `guarded` it wants a token, which it gives for a login.
    """

    host: str
    guarded: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    fault: Fault = lambda _: ""

    def harm(self, fault: Fault) -> None:
        self.seen.clear()
        self.fault = fault


@contextmanager
def serve_proxy(registry: str, *, silence_s: float = 2) -> Iterator[Proxy]:  # noqa: C901 - methods of one handler
    """A proxy before the registry at that address."""
    proxy, stop = Proxy(""), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        # The second is for BuildKit, which tries TLS first and takes no for an answer in HTTP/1.1 only.
        protocol_version = default_request_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self._body()
            proxy.seen.append(f"{self.command} {self.path.partition('?')[0]}")
            known = bool(self.headers["Authorization"])
            harm = proxy.fault(Request(len(proxy.seen) - 1, self.command, self.path, known))
            if harm in {"timeout", "cut"}:
                stop.wait(silence_s if harm == "timeout" else 0)
                self.close_connection = True
            elif harm:
                self._reply(int(harm), proxy.headers, b"")
            elif self.path.startswith("/token"):
                self._give_token()
            elif proxy.guarded and self.headers["Authorization"] != f"Bearer {TOKEN}":
                realm = f'Bearer realm="http://{proxy.host}/token",service="tests"'
                self._reply(401, {"WWW-Authenticate": realm}, b"")
            else:
                self._pass_on(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def _give_token(self) -> None:
            login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            good = self.headers["Authorization"] == f"Basic {login}"
            self._reply(200 if good else 401, {}, json.dumps({"token": TOKEN}).encode() if good else b"")

        def _pass_on(self, body: bytes) -> None:
            # Host stays ours, so that the registry's redirects lead through us.
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
            with closing(http.client.HTTPConnection(registry, timeout=30)) as upstream:
                upstream.request(self.command, self.path, body, {**headers, "Host": proxy.host})
                answer = upstream.getresponse()
                found = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
                length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
                self._reply(answer.status, found, answer.read(), length)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _reply(
            self, status: int, headers: Mapping[str, str], body: bytes, length: str | None = None
        ) -> None:
            self.send_response_only(status)
            for name, value in {**headers, "Content-Length": length or str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that was killed is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy.host = f"localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield proxy
    finally:
        stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


def write_login(directory: Path, host: str) -> Path:
    """A Docker configuration directory with the login that the proxy takes."""
    directory.mkdir(exist_ok=True)
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
    return directory
