"""The way to a cluster: the operator's own kubectl, which does everything about authentication (docs/adr/0003)."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from hubops.clients import process
from hubops.errors import MachineError, OutOfReachError, ProgramError

Json = dict[str, Any]
_TIMEOUT = httpx2.Timeout(30, connect=5)
_PROXY_START_LIMIT_S = 20
# A session of its own keeps ^C from kubectl: after ^C the lease is released and helm's failure recorded
# through it. The shell ends it when our end of the pipe closes, so after SIGKILL too.
_KEEPER = '"$@" & exec >&- 2>&-; read -r _; kill $!; wait'
_SOCKET_PATH_MAX = 100  # bytes; the kernel's limit is 104 or 108


class NotConnectedError(OutOfReachError):
    """There is no way to the cluster, so nothing was asked."""


@dataclass(frozen=True)
class _Cluster:
    """One context of the operator's kubectl."""

    kubectl: Path
    kubeconfig: Path | None
    context: str


@dataclass(frozen=True)
class Connection:
    """A way to one cluster, for us and for the gate; who uses the socket itself waits until it is `opened`."""

    socket: Path
    client: httpx2.AsyncClient
    _cluster: _Cluster
    _opened: "asyncio.Future[None]"

    async def opened(self) -> None:
        """Wait until the way is open; the client does so by itself.

        Raises:
            NotConnectedError: the context does not exist or kubectl cannot use it.
        """
        await asyncio.shield(self._opened)

    @asynccontextmanager
    async def forward(self, namespace: str, service: str, port: int) -> AsyncIterator[str]:
        """An address on this machine that leads to a Service of the cluster, for as long as it is entered.

        Raises:
            NotConnectedError: kubectl cannot open it.
        """
        about = f"a way to service {namespace}/{service}"
        words = [
            "port-forward",
            "--address=127.0.0.1",
            "--namespace",
            namespace,
            f"service/{service}",
            f":{port}",
        ]
        async with _configuration(self._cluster, self.socket.parent) as (options, descriptors):
            argv = [str(self._cluster.kubectl), *options, *words]
            async with _kept(argv, b"Forwarding from", about, descriptors) as line:
                found = re.search(r"127\.0\.0\.1:\d+", line)
                if not found:
                    raise NotConnectedError(f"kubectl does not open {about}", why=line)
                yield f"http://{found[0]}"


class _WhenOpened(httpx2.AsyncBaseTransport):
    """Requests through a socket that is there once `opened` is done."""

    def __init__(self, socket: Path, opened: "asyncio.Future[None]") -> None:
        # Without verification, for there is no TLS here and loading certificates takes a tenth of a second.
        self._socket = httpx2.AsyncHTTPTransport(uds=str(socket), verify=False, trust_env=False)
        self._opened = opened

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.shield(self._opened)
        return await self._socket.handle_async_request(request)

    async def aclose(self) -> None:
        await self._socket.aclose()


@asynccontextmanager
async def connect(
    kubectl: Path, kubeconfig: Path | None, context: str, directory: Path
) -> AsyncIterator[Connection]:
    """Open the cluster behind one context; the operator's files are read by kubectl and never written.

    Does not wait until it is open: kubectl takes a tenth of a second, in which other work gets done.
    A `kubeconfig` that is named is hubops' own; without one it is the operator's, of which kubectl is given
    a copy, for there are ways to authenticate that write to it.

    Writes a socket into `directory`, which must be private to this run. The copy of the context, which may hold
    a token, is in memory; only a system without such files (macOS) has it in `directory`, too.
    """
    socket = directory / "api.sock"
    if len(bytes(socket)) > _SOCKET_PATH_MAX:
        raise MachineError("the path of the run's directory is too long for a socket", where=str(directory))
    opened = asyncio.get_running_loop().create_future()
    cluster = _Cluster(kubectl, kubeconfig, context)
    keeping = asyncio.create_task(_keep_open(cluster, socket, opened))
    try:
        async with _client(socket, opened) as client:
            yield Connection(socket, client, cluster, opened)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        opened.cancel()  # a task that is cancelled before it began tells nothing
        await asyncio.gather(opened, return_exceptions=True)


async def _keep_open(cluster: _Cluster, socket: Path, opened: "asyncio.Future[None]") -> None:
    """Until it is cancelled; tells in `opened` when, or why not."""
    try:
        async with _configuration(cluster, socket.parent) as (options, descriptors):
            argv = [
                str(cluster.kubectl),
                *options,
                "proxy",
                f"--unix-socket={socket}",
                # The filter is against browsers, which reach no Unix socket.
                "--disable-filter=true",
                # For a server with a path, as Rancher and the gate have.
                "--append-server-path=true",
            ]
            async with _kept(argv, b"Starting to serve", f"the context {cluster.context}", descriptors):
                opened.set_result(None)
                await asyncio.Event().wait()
    except Exception as error:  # noqa: BLE001 - whoever waits for it is told
        opened.set_exception(error)
    finally:
        opened.cancel()


@asynccontextmanager
async def _configuration(
    cluster: _Cluster, directory: Path
) -> AsyncIterator[tuple[list[str], tuple[int, ...]]]:
    """The options that lead kubectl to the context, and the descriptors that it must inherit for them."""
    if cluster.kubeconfig:
        yield [f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}"], ()
        return
    with _held(await _context(cluster), directory) as (config, descriptors):
        yield [f"--kubeconfig={config}"], descriptors


@contextmanager
def _held(text: str, directory: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A file with the text, as a path for a child, and the descriptors that the child must inherit for it."""
    if not hasattr(os, "memfd_create"):
        file = directory / "context.json"
        file.touch(mode=0o600)
        file.write_text(text)
        yield str(file), ()
        return
    descriptor = os.memfd_create("context.json")
    try:
        os.write(descriptor, text.encode())
        yield f"/dev/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _client(socket: Path, opened: "asyncio.Future[None]") -> httpx2.AsyncClient:
    transport = _WhenOpened(socket, opened)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=_TIMEOUT)


async def _context(cluster: _Cluster) -> str:
    words = ["config", "view", "--minify", "--flatten", "--raw", "-o", "json"]
    try:
        text = await process.run([cluster.kubectl, f"--context={cluster.context}", *words])
    except ProgramError as error:
        raise NotConnectedError(
            f"the Kubernetes context {cluster.context} cannot be used",
            where="your kubeconfig",
            why=error.why,
            hint="See: kubectl config get-contexts",
        ) from error
    return json.dumps(absolute(json.loads(text), kubeconfig_directories(os.environ)))


def kubeconfig_directories(environment: Mapping[str, str]) -> list[Path]:
    """Where kubectl's configuration comes from, by its rules: $KUBECONFIG, or ~/.kube/config."""
    named = [Path(name) for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    files = named or [Path.home() / ".kube" / "config"]
    return [file.absolute().parent for file in files]


def absolute(config: Json, directories: Sequence[Path]) -> Json:
    """The context with the paths that kubectl takes relative to the kubeconfig, and --flatten leaves so.

    They are those of a token file and of a credential plug-in, unless that is looked for on PATH.
    """
    for entry in config.get("users") or []:
        user = entry.get("user") or {}
        plugin = user.get("exec") or {}
        if "tokenFile" in user:
            user["tokenFile"] = _located(user["tokenFile"], directories)
        if "/" in plugin.get("command", ""):
            plugin["command"] = _located(plugin["command"], directories)
    return config


def _located(name: str, directories: Sequence[Path]) -> str:
    paths = [directory / name for directory in directories]
    return str(next((path for path in paths if path.exists()), paths[0]))


@asynccontextmanager
async def _kept(
    argv: Sequence[str], ready: bytes, about: str, descriptors: tuple[int, ...]
) -> AsyncIterator[str]:
    """Run a kubectl that goes on; the line by which it says that it is ready."""
    keeper = await asyncio.create_subprocess_exec(
        "/bin/sh",
        *("-c", _KEEPER, "sh", *argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        pass_fds=descriptors,
        env=process.environment(),
    )
    assert keeper.stdin  # noqa: S101 - it is a pipe
    assert keeper.stdout  # noqa: S101 - likewise
    draining = None
    try:
        line = await _wait_ready(keeper.stdout, ready, about)
        draining = asyncio.create_task(_drain(keeper.stdout))
        yield line
    finally:
        keeper.stdin.close()
        await asyncio.shield(keeper.wait())
        if draining:
            draining.cancel()
            await asyncio.gather(draining, return_exceptions=True)


async def _wait_ready(output: asyncio.StreamReader, ready: bytes, about: str) -> str:
    said = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PROXY_START_LIMIT_S):
            async for line in output:
                if ready in line:
                    return line.decode(errors="replace")
                said.append(line.decode(errors="replace"))
    raise NotConnectedError(f"kubectl does not open {about}", why="".join(said).strip())


async def _drain(output: asyncio.StreamReader) -> None:
    while await output.read(1 << 16):
        pass
