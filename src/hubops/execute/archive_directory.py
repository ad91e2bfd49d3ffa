"""A directory that holds archives: one bears its name when it is complete, so that a part never looks like the whole."""

import errno
import os
import shutil
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hubops import digest
from hubops.errors import MachineError
from hubops.events import Emit
from hubops.state.archive_model import MANIFEST, Manifest, archive_name

_PART = ".part"
_DIGITS = 8  # of a cluster's uid
_HINTS = {errno.ENOSPC: "Make room, or name another directory.", errno.EDQUOT: "Make room, or name another."}


@dataclass(frozen=True)
class DirectoryArchive:
    """A directory with an archive in it, or with the files of one that is being made."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def place(self) -> str:
        return f"{socket.gethostname()}:{self.path.absolute()}"

    def open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb")

    async def write(self, name: str, pieces: AsyncIterator[bytes], size: int) -> None:  # noqa: ARG002 - as a Sink
        file = self.path / name
        with _writing(file), _private(file) as out:
            async for piece in pieces:
                out.write(piece)

    async def complete(self, manifest: Manifest) -> "tuple[DirectoryArchive, str]":
        directory = self.path.with_name(archive_name(manifest.hub, manifest.at))
        text = manifest.dump()
        with _writing(self.path):
            sizes = {path.name: path.stat().st_size for path in self.path.iterdir()}
            gone = [each for each in manifest.archived if sizes.get(each.file) != each.packed_bytes]
            if gone:
                raise MachineError(
                    f"{len(gone)} files of the archive are no longer what was written",
                    where=self.where,
                    hint="See who else writes to this directory, and run again.",
                )
            with _private(self.path / MANIFEST) as out:
                out.write(text.encode())
            self.path.rename(directory)
            # A receipt says that people's files may go: after a power failure the archive must be there.
            for changed in (directory, directory.parent):
                _to_disk(changed)
        return DirectoryArchive(directory), digest.of_bytes(text.encode())


@dataclass(frozen=True)
class DirectoryPlace:
    """A directory that holds archives, each in a directory of its own."""

    path: Path

    @asynccontextmanager
    async def begin(
        self,
        hub: str,
        cluster: str,
        files: Sequence[str],  # noqa: ARG002 - as a Place
        emit: Emit,  # noqa: ARG002 - as a Place
    ) -> AsyncIterator[DirectoryArchive]:
        # Another cluster may have a hub of that name, and be at work; on this one the hub's lease says that nobody is.
        part = self.path / f"{hub}-{cluster[:_DIGITS]}{_PART}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(mode=0o700)
        except OSError as error:
            raise MachineError(
                "the archive's directory cannot be made",
                where=str(part),
                why=error.strerror or str(error),
                hint="Name a directory that you may write to.",
            ) from error
        try:
            yield DirectoryArchive(part)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _private(file: Path) -> Iterator[IO[bytes]]:
    """A file for its owner alone, on the disk at the end."""
    file.touch(mode=0o600)
    with file.open("wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())


def _to_disk(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "")
        why = error.strerror or str(error)
        raise MachineError("an archive cannot be written", where=str(path), why=why, hint=hint) from error
