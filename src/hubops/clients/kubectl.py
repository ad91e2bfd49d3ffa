"""The way to a cluster: the operator's own kubectl, which does everything about authentication (docs/adr/0003)."""

import asyncio
import contextlib
import json
import os
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


@dataclass(frozen=True)
class Connection:
    """An open way to one cluster, for us and for the gate."""

    socket: Path
    client: httpx2.AsyncClient


@asynccontextmanager
async def connect(
    kubectl: Path, kubeconfig: Path | None, context: str, directory: Path
) -> AsyncIterator[Connection]:
    """Open the cluster behind one context; the operator's files are read by kubectl and never written.

    Writes a socket into `directory`, which must be private to this run. The copy of the context, which may hold
    a token, is in memory; only a system without such files (macOS) has it in `directory`, too.

    Raises:
        OutOfReachError: the context does not exist or kubectl cannot use it.
    """
    socket = directory / "api.sock"
    if len(bytes(socket)) > _SOCKET_PATH_MAX:
        raise MachineError("the path of the run's directory is too long for a socket", where=str(directory))
    with _held(await _context(kubectl, kubeconfig, context), directory) as (config, descriptors):
        argv: list[str | Path] = [
            kubectl,
            f"--kubeconfig={config}",
            "proxy",
            f"--unix-socket={socket}",
            # The filter is against browsers, which reach no Unix socket.
            "--disable-filter=true",
            # For a server with a path, as Rancher and the gate have.
            "--append-server-path=true",
        ]
        async with _proxy(argv, context, descriptors), _client(socket) as client:
            yield Connection(socket, client)


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


def _client(socket: Path) -> httpx2.AsyncClient:
    # Without verification, for there is no TLS here and loading certificates takes a tenth of a second.
    transport = httpx2.AsyncHTTPTransport(uds=str(socket), verify=False, trust_env=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=_TIMEOUT)


async def _context(kubectl: Path, kubeconfig: Path | None, context: str) -> str:
    source = [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
    words = ["config", "view", "--minify", "--flatten", "--raw", "-o", "json"]
    try:
        text = await process.run([kubectl, *source, f"--context={context}", *words])
    except ProgramError as error:
        raise OutOfReachError(
            f"the Kubernetes context {context} cannot be used",
            where=str(kubeconfig or "your kubeconfig"),
            why=error.why,
            hint="See: kubectl config get-contexts",
        ) from error
    return json.dumps(absolute(json.loads(text), kubeconfig_directories(kubeconfig, os.environ)))


def kubeconfig_directories(kubeconfig: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """Where kubectl's configuration comes from, by its rules: the option, $KUBECONFIG, ~/.kube/config."""
    named = [Path(name) for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    files = [kubeconfig] if kubeconfig else named or [Path.home() / ".kube" / "config"]
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
async def _proxy(
    argv: Sequence[str | Path], context: str, descriptors: tuple[int, ...]
) -> AsyncIterator[None]:
    keeper = await asyncio.create_subprocess_exec(
        "/bin/sh",
        *("-c", _KEEPER, "sh", *map(str, argv)),
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
        await _wait_listening(keeper.stdout, context)
        draining = asyncio.create_task(_drain(keeper.stdout))
        yield
    finally:
        keeper.stdin.close()
        await asyncio.shield(keeper.wait())
        if draining:
            draining.cancel()
            await asyncio.gather(draining, return_exceptions=True)


async def _wait_listening(output: asyncio.StreamReader, context: str) -> None:
    said = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PROXY_START_LIMIT_S):
            async for line in output:
                if b"Starting to serve" in line:
                    return
                said.append(line.decode(errors="replace"))
    raise OutOfReachError(f"kubectl does not open the context {context}", why="".join(said).strip())


async def _drain(output: asyncio.StreamReader) -> None:
    while await output.read(1 << 16):
        pass
