"""Claims into files: one tar.gz each, read back before it counts."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from hubops.clients.volume import Volume
from hubops.errors import ClusterError, MachineError, OutOfReachError
from hubops.execute.archive_content import Content, read_content
from hubops.execute.archive_place import Sink, Source
from hubops.state.archive_model import Archived, Claim, Kind

_TRIES = 3
_PIECE = 1 << 20
_OTHER_PLACE = "Nothing was kept. See whether the disk is sound, or archive to another place."


async def archive_claim(volume: Volume, claim: Claim, sink: Sink) -> Archived:
    """Write a claim's content to `<claim>.tar.gz` and read it back; a connection that is cut is tried again.

    Raises:
        ClusterError: something in it cannot be read.
        MachineError: it cannot be written here, or is not what was written.
        OutOfReachError: the connection is cut again and again.
        HubopsError: the store does not take it.
    """
    name = archive_file(claim)
    for left in reversed(range(_TRIES)):
        try:
            sha256 = await _receive(volume, claim, sink, name)
            break
        except OutOfReachError as cut:
            await _refuse_unreadable(volume, claim, cut)
            if not left:
                raise
    summary = await volume.summary()
    if summary["sha256"] != sha256:
        what, hint = "a volume did not arrive as it was sent", "Nothing was kept. Run again."
        raise OutOfReachError(what, where=f"claim {claim.name}", hint=hint)
    content = await asyncio.to_thread(_read_back, sink, name, sha256)
    return Archived(
        claim=claim,
        at=now(),
        file=name,
        sha256=sha256,
        packed_bytes=content.packed_bytes,
        content=content.digest,
        files=content.files,
        bytes=content.bytes,
        changed=summary["changed"],
        skipped=summary["skipped"],
    )


def archive_file(claim: Claim) -> str:
    """What its file in an archive is called."""
    return f"{claim.name}.tar.gz"


async def _receive(volume: Volume, claim: Claim, sink: Sink, name: str) -> str:
    total = hashlib.sha256()

    async def pieces() -> AsyncGenerator[bytes, None]:
        async with aclosing(volume.pack(database=claim.kind is Kind.DATABASE)) as packed:
            async for piece in packed:
                total.update(piece)
                yield piece

    async with aclosing(pieces()) as counted:
        await sink.write(name, counted, claim.bytes)
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


def _read_back(sink: Sink, name: str, sha256: str) -> Content:
    where = f"{sink.where}/{name}"
    try:
        with sink.open(name) as file:
            content = read_content(file)
    except OSError as error:
        raise MachineError(
            "an archive cannot be read back", where=where, why=str(error), hint=_OTHER_PLACE
        ) from error
    if content.sha256 != sha256 or content.damage:
        what = "what was read back is not what was written"
        raise MachineError(what, where=where, why=content.damage, hint=_OTHER_PLACE)
    return content


async def upload(volume: Volume, source: Source, name: str) -> str:
    """Unpack a tar.gz beside what the volume has; returns the digest of what was unpacked.

    Raises:
        ClusterError: the volume does not take it.
        MachineError: it cannot be read.
        OutOfReachError: the connection was cut.
        HubopsError: the store does not give it.
    """
    offset = 0
    try:
        with await asyncio.to_thread(source.open, name) as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await volume.feed(offset, piece)
                offset += len(piece)
    except OSError as error:
        raise MachineError(
            "an archive cannot be read",
            where=f"{source.where}/{name}",
            why=str(error),
            hint="What is in the volume stays. Make the file readable, and run again.",
        ) from error
    return await volume.finish()


def now() -> str:
    """The time as manifests and receipts say it: UTC, RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="seconds")
