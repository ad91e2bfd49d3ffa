"""A part of a bucket that holds archives: one is whole by its manifest, which comes last, for nothing is renamed there.

`<prefix>/<hub>-<time>/` has the files; `<prefix>/<hub>.part/<hub>-<time>.json` stands for it until it is whole.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO

from hubops import digest
from hubops.answer import Absent, Present
from hubops.clients.s3 import Bucket
from hubops.clients.s3_writer import IN_MEMORY, MAX_PARTS
from hubops.errors import HubopsError, StoreError
from hubops.events import Emit, Remark
from hubops.execute.archive import now
from hubops.state.archive_model import MANIFEST, Manifest, archive_name

_MIB = 1 << 20
# A part of each is in memory.
_AT_ONCE = 2
# What does not pack well gets bigger by the names of its files.
_OVERHEAD = 1.25


@dataclass(frozen=True)
class BucketArchive:
    """An archive in a bucket, or the files of one that is being made; `prefix` ends in no slash."""

    bucket: Bucket
    prefix: str
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE), compare=False)

    @property
    def where(self) -> str:
        return f"s3://{self.bucket.name}/{self.prefix}"

    @property
    def place(self) -> str:
        return f"{self.where} at {self.bucket.endpoint}"

    def key(self, name: str) -> str:
        """The object that has this file."""
        return f"{self.prefix}/{name}"

    def open(self, name: str) -> IO[bytes]:
        return self.bucket.open(self.key(name))

    async def write(self, name: str, pieces: AsyncIterator[bytes], size: int) -> None:
        async with self._room:
            await self.bucket.upload(self.key(name), pieces, part_bytes(size))

    async def complete(self, manifest: Manifest) -> "tuple[BucketArchive, str]":
        return self, await asyncio.to_thread(self._complete, manifest)

    def _complete(self, manifest: Manifest) -> str:
        sizes, text = self.bucket.sizes(self.key("")), manifest.dump().encode()
        gone = [each for each in manifest.archived if sizes.get(self.key(each.file)) != each.packed_bytes]
        if gone:
            raise StoreError(
                f"{len(gone)} files of the archive are no longer in the store",
                where=self.where,
                hint="See whether a rule of the bucket, or somebody, takes away what is new, and run again.",
            )
        self.bucket.put(self.key(MANIFEST), text)
        return digest.of_bytes(text)


def part_bytes(size: int) -> int:
    """How big each part of a file of about `size` bytes is, so that there are never too many of them."""
    needed = int(size * _OVERHEAD) // MAX_PARTS
    return max(IN_MEMORY, (needed // _MIB + 1) * _MIB)


@dataclass(frozen=True)
class BucketPlace:
    """What is below `prefix` in a bucket, which ends in no slash and may be empty."""

    bucket: Bucket
    prefix: str

    @asynccontextmanager
    async def begin(
        self, hub: str, cluster: str, files: Sequence[str], emit: Emit
    ) -> AsyncIterator[BucketArchive]:
        for left in await asyncio.to_thread(self._unfinished, hub, cluster):
            await _tidy(left, emit)
        unfinished = self._of(hub, archive_name(hub, now()), files)
        note = json.dumps({"cluster": cluster, "files": list(files)})
        await asyncio.to_thread(self.bucket.put, unfinished.note, note.encode())
        try:
            yield unfinished.archive
        finally:
            await asyncio.shield(_tidy(unfinished, emit))

    def _unfinished(self, hub: str, cluster: str) -> "list[_Unfinished]":
        """What runs against this cluster left; another cluster may have a hub of that name, and be at work."""
        directory, found = f"{self._below(hub)}.part/", []
        for key in self.bucket.sizes(directory):
            files = _noted_files(self.bucket.get(key), cluster)
            if files is not None:
                name = key.removeprefix(directory).removesuffix(".json")
                found.append(self._of(hub, name, files))
        return found

    def _of(self, hub: str, name: str, files: Sequence[str]) -> "_Unfinished":
        archive = BucketArchive(self.bucket, self._below(name))
        return _Unfinished(archive, f"{self._below(hub)}.part/{name}.json", tuple(files))

    def _below(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def _noted_files(note: Present[bytes] | Absent, cluster: str) -> list[str] | None:
    """What an archive of this cluster was to have; None for another's note, and for what somebody else put there."""
    try:
        said = json.loads(note.value) if isinstance(note, Present) else {}
        return [str(file) for file in said["files"]] if said["cluster"] == cluster else None
    except (ValueError, LookupError, TypeError):
        return None


@dataclass(frozen=True)
class _Unfinished:
    """An archive that may not be whole yet, the object that says so, and what it was to have."""

    archive: BucketArchive
    note: str
    files: tuple[str, ...]

    def tidy(self) -> None:
        """Take it away unless it is whole; the note goes last, so that who is interrupted begins again."""
        archive, bucket = self.archive, self.archive.bucket
        if isinstance(bucket.get(archive.key(MANIFEST)), Absent):
            for file in self.files:
                bucket.abort_uploads(archive.key(file))
                bucket.delete(archive.key(file))
        bucket.delete(self.note)


async def _tidy(unfinished: _Unfinished, emit: Emit) -> None:
    """What cannot be taken away is told, and is no reason to have no archive."""
    try:
        await asyncio.to_thread(unfinished.tidy)
    except HubopsError as error:
        where = f"s3://{unfinished.archive.bucket.name}/{unfinished.note}"
        emit(Remark(f"{where} and what it lists could not be taken away: {error.what} ({error.why})"))
