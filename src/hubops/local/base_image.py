"""The base image where no image registry answers: made from Debian's packages, for this machine only."""

from pathlib import Path

from hubops import digest
from hubops.clients import process
from hubops.errors import MachineError
from hubops.events import Emit, Line
from hubops.local import host, oci, paths
from hubops.local.packages import require_package

NAME = "debian:bookworm-slim"
_SUITE = "bookworm"
_RECIPE_VERSION = "1"
# Documentation and translations, as the published slim images leave them out; copyright files stay.
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
_EPOCH = "1700000000"
_ANSWER_LIMIT_S = 3


async def find_base(emit: Emit) -> Path | None:
    """The layout that stands for the base image, or None where builds can pull it from its registry.

    Raises:
        as `make_base`.
    """
    made = any((paths.cache_dir() / "base").glob("*/index.json"))
    # What was made once is kept: a registry that comes and goes must not change what a cluster is made of.
    return await make_base(emit) if made or not await registry_answers() else None


async def registry_answers() -> bool:
    """Whether the registry of plain image names is in reach; its refusal of a stranger is an answer too."""
    import httpx2  # noqa: PLC0415 - slow to import, and the bootstrap has no httpx2

    try:
        async with httpx2.AsyncClient(timeout=_ANSWER_LIMIT_S) as client:
            answer = await client.get("https://registry-1.docker.io/v2/")
    except httpx2.HTTPError:
        return False
    return answer.status_code in {httpx2.codes.OK, httpx2.codes.UNAUTHORIZED}


async def find_made() -> Path | None:
    """The layout that `make_base` would make from today's archives, where it is made.

    Raises:
        MachineError: this machine has no such archive.
    """
    if not (host.is_root() and host.is_debian()):
        return None
    layout = _layout(await _sources())
    return layout if layout.exists() else None


async def make_base(emit: Emit) -> Path:
    """An OCI layout of Debian's minimal system, made once and kept in the cache.

    Raises:
        MachineError: this is no Debian with root, so it cannot be made here.
        ProgramError: a package cannot be had.
    """
    if not (host.is_root() and host.is_debian()):
        raise MachineError(
            f"no image registry answers, and {NAME} can be made only on Debian as root",
            hint="Give this machine access to an image registry, or run this as root on Debian.",
        )
    sources = await _sources()
    layout = _layout(sources)
    if not layout.exists():
        await _bootstrap(layout, sources, emit)
    return layout


def _layout(sources: list[str]) -> Path:
    key = digest.of_parts([_RECIPE_VERSION, _EPOCH, *_LEFT_OUT, *sources])[:12]
    return paths.cache_dir() / "base" / f"{_SUITE}-{host.architecture()}-{key}"


async def _sources() -> list[str]:
    """The Debian archives this machine is set up with, as lines of a sources.list."""
    wanted = ["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"]
    text = await process.run([*wanted, "Created-By: Packages", "Origin: Debian"])
    sources = sorted({line for line in text.splitlines() if line.split()[2].startswith(_SUITE)})
    if not sources:
        raise MachineError(
            f"no image registry answers, and this machine has no archive of Debian {_SUITE} to make {NAME} from",
            hint=f"Use a Debian 12 ({_SUITE}) machine, or add its archive to apt's sources.",
        )
    return sources


async def _bootstrap(layout: Path, sources: list[str], emit: Emit) -> None:
    await require_package("mmdebstrap", "mmdebstrap", emit)
    layout.parent.mkdir(parents=True, exist_ok=True)
    rootfs = layout.with_suffix(".tar")
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    await process.run(
        ["mmdebstrap", "--variant=minbase", "--mode=root", *options, _SUITE, rootfs, "-"],
        stdin="\n".join(sources).encode(),
        env={"SOURCE_DATE_EPOCH": _EPOCH, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        on_line=lambda line: emit(Line(line)),
    )
    oci.write_layout(rootfs, layout, host.architecture())
