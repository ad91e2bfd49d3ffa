"""BuildKit through buildctl: an image from a context, pushed to its registry if asked."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubops.clients import process
from hubops.clients.build_log import BuildLog
from hubops.clients.registry import base_url
from hubops.digest import of_file

# Content decides an image, so its files bear one time: the same for every build, in seconds since 1970.
SOURCE_DATE_EPOCH = 1_700_000_000


@dataclass(frozen=True)
class BuildRequest:
    """What to build, and as what. `contexts` are named ones: a directory, or an OCI layout for an image name."""

    context: Path
    reference: str
    push: bool
    secrets: Mapping[str, Path] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Builder:
    """A BuildKit daemon at `address`, reached by the program `buildctl`."""

    buildctl: Path
    address: str

    async def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> str:
        """Build, push if asked, and return the digest.

        The operator's Docker configuration is used from a directory of this run.

        Raises:
            BuildError: the Dockerfile fails, with its line and the last lines of the step.
            MachineError: the disk is full, or BuildKit went away.
            RegistryError: the push is refused.
            OutOfReachError: a registry cannot be reached.
        """
        log = BuildLog()

        def take(line: str) -> None:
            log.add(line)
            on_line(line)

        with tempfile.TemporaryDirectory(prefix="hubops-build-") as directory:
            context, metadata = Path(directory) / "context", Path(directory) / "metadata.json"
            await asyncio.to_thread(_copy_context, request.context, context)
            env = {**os.environ, "DOCKER_CONFIG": str(_docker_config(Path(directory) / "docker"))}
            done = await process.attempt(
                [*self._command(request, context), f"--metadata-file={metadata}"], env=env, on_line=take
            )
            if done.code != 0:
                name = request.context.name
                raise log.failure(name, f"{request.context.parent.name}/{name}/Dockerfile")
            return str(json.loads(metadata.read_text())["containerimage.digest"])

    def _command(self, request: BuildRequest, context: Path) -> list[str]:
        command = [
            *(str(self.buildctl), f"--addr={self.address}", "build"),
            *("--progress=plain", "--frontend=dockerfile.v0"),
            *(f"--local=context={context}", f"--local=dockerfile={context}"),
            *("--opt=force-network-mode=host", "--allow=network.host"),
            f"--opt=build-arg:SOURCE_DATE_EPOCH={SOURCE_DATE_EPOCH}",
            f"--output={_output(request)}",
        ]
        command += [f"--opt=build-arg:{name}={value}" for name, value in request.arguments.items()]
        command += [f"--secret=id={name},src={path}" for name, path in request.secrets.items()]
        for number, (name, path) in enumerate(request.contexts.items()):
            command += _named_context(f"context{number}", name, path)
        return command


def _copy_context(source: Path, target: Path) -> None:
    """Copy what decides the image, without umask, owner and times of the checkout.

    BuildKit keeps what buildctl sent it for all builds together, and takes a file of the same path, size
    and time for the same file. In an unpacked archive, where all times are equal, an image would get
    another one's file. So a file's time follows from its content; all are after SOURCE_DATE_EPOCH, which
    then replaces them in the image.
    """
    for path in (p for p in sorted(source.rglob("*")) if p.is_symlink() or p.is_file()):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            copy.symlink_to(path.readlink())
            continue
        shutil.copyfile(path, copy)
        copy.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        time_ns = SOURCE_DATE_EPOCH * 10**9 + int(of_file(copy)[:12], 16)
        os.utime(copy, ns=(time_ns, time_ns))
    for path in (p for p in target.rglob("*") if p.is_dir() and not p.is_symlink()):
        path.chmod(0o755)


def _named_context(key: str, name: str, path: Path) -> list[str]:
    index = path / "index.json"
    if index.is_file():
        digest = json.loads(index.read_text())["manifests"][0]["digest"]
        return [f"--oci-layout={key}={path}", f"--opt=context:{name}=oci-layout://{key}@{digest}"]
    return [f"--local={key}={path}", f"--opt=context:{name}=local:{key}"]


def _output(request: BuildRequest) -> str:
    insecure = base_url(request.reference.partition("/")[0]).startswith("http://")
    options = {
        "type": "image",
        "name": request.reference,
        "push": str(request.push).lower(),
        "registry.insecure": str(insecure).lower(),
        "oci-mediatypes": "true",
        # zstd is several times faster than gzip on both ends; every containerd since 1.5 reads it.
        "compression": "zstd",
        "compression-level": "3",
        "force-compression": "true",
        "rewrite-timestamp": "true",
    }
    return ",".join(f"{key}={value}" for key, value in options.items())


def _docker_config(target: Path) -> Path:
    """A link, not a copy: a run that is killed leaves no login behind."""
    source = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    target.mkdir()
    if source.is_file():
        (target / "config.json").symlink_to(source.absolute())
    return target
