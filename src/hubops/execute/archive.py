"""Claims into files: one tar.gz each, read back before it counts."""

import asyncio
import errno
import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from hubops import digest
from hubops.clients.volume import Volume
from hubops.errors import ClusterError, MachineError, OutOfReachError
from hubops.execute.volume import tree
from hubops.state.archive_model import Archived, Claim, Kind

_TRIES = 3
_SHOWN = {errno.ENOSPC: "Make room, or name another directory.", errno.EDQUOT: "Make room, or name another."}


@dataclass(frozen=True)
class Content:
    """What a tar.gz holds, found by reading all of it."""

    digest: str
    files: int
    bytes: int


async def archive_claim(volume: Volume, claim: Claim, directory: Path) -> Archived:
    """Write a claim's content to `<claim>.tar.gz` and read it back; a connection that is cut is tried again.

    Raises:
        ClusterError: something in it cannot be read.
        MachineError: it cannot be written here, or is not what was written.
        OutOfReachError: the connection is cut again and again.
    """
    file = directory / f"{claim.name}.tar.gz"
    for left in reversed(range(_TRIES)):
        try:
            sha256 = await _receive(volume, claim, file)
            break
        except OutOfReachError as cut:
            await _refuse_unreadable(volume, claim, cut)
            if not left:
                raise
    summary = await volume.summary()
    if summary["sha256"] != sha256:
        raise OutOfReachError("a volume did not arrive as it was sent", where=f"claim {claim.name}")
    with _writing(file):
        await asyncio.to_thread(_require_same, file, sha256)
        content = await asyncio.to_thread(read_content, file)
    return Archived(
        claim=claim,
        at=now(),
        file=file.name,
        sha256=sha256,
        packed_bytes=file.stat().st_size,
        content=content.digest,
        files=content.files,
        bytes=content.bytes,
        changed=summary["changed"],
        skipped=summary["skipped"],
    )


async def _receive(volume: Volume, claim: Claim, file: Path) -> str:
    total = hashlib.sha256()
    file.touch(mode=0o600)
    with _writing(file), file.open("wb") as out:
        async for piece in volume.pack(database=claim.kind is Kind.DATABASE):
            out.write(piece)
            total.update(piece)
        out.flush()
        os.fsync(out.fileno())
    return total.hexdigest()


async def _refuse_unreadable(volume: Volume, claim: Claim, cut: OutOfReachError) -> None:
    """Whether it was the pod that cut the connection, because it cannot go on."""
    if why := (await volume.summary())["error"]:
        raise ClusterError(
            "a volume cannot be read as a whole",
            where=f"claim {claim.name}",
            why=why,
            hint=f"It is read as user {claim.owner.uid}, group {claim.owner.fs_gid}: make what is in it theirs.",
        ) from cut


def _require_same(file: Path, sha256: str) -> None:
    if digest.of_file(file) != sha256:
        raise MachineError("what was read back is not what was written", where=str(file))


def read_content(file: Path) -> Content:
    """Read a tar.gz to its end.

    Raises:
        MachineError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        with tarfile.open(file, "r:gz") as tar:
            members = list(_members(tar))
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise MachineError("an archive is damaged", where=str(file), why=str(error)) from error
    files = [size for _, size in members if size is not None]
    return Content(tree.digest(line for line, _ in members), len(files), sum(files))


def _members(tar: tarfile.TarFile) -> Iterator[tuple[bytes, int | None]]:
    """The lines of the tree that it holds, and the sizes of its files."""
    contents: dict[str, tuple[str, int]] = {}
    for member in tar:
        if member.isdir():
            yield tree.line(member.name, "d", member.mode, ""), None
        elif member.issym():
            yield tree.line(member.name, "l", 0, member.linkname), None
        else:
            sha256, size = contents[member.linkname] if member.islnk() else _read(tar, member)
            contents[member.name] = sha256, size
            yield tree.line(member.name, "f", member.mode, sha256), size


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, int]:
    file = tar.extractfile(member)
    assert file is not None  # noqa: S101 - a regular file
    return tree.sha256_of(file), member.size


async def upload(volume: Volume, file: Path) -> str:
    """Unpack a tar.gz beside what the volume has; returns the digest of what was unpacked.

    Raises:
        ClusterError: the volume does not take it.
        OutOfReachError: the connection was cut.
    """
    offset = 0
    with _writing(file), file.open("rb") as source:
        async for piece in _pieces(source):
            await volume.feed(offset, piece)
            offset += len(piece)
    return await volume.finish()


async def _pieces(source: IO[bytes], size: int = 4 << 20) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(source.read, size):
        yield piece


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = _SHOWN.get(error.errno or 0, "")
        why = error.strerror or str(error)
        raise MachineError("an archive cannot be written", where=str(path), why=why, hint=hint) from error


def now() -> str:
    """The time as manifests and receipts say it: UTC, RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="seconds")
