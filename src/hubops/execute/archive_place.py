"""Where archives are: what a directory and a bucket have in common, and the reading of either."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import IO, Protocol

from hubops.errors import MachineError, RefusedError
from hubops.events import Emit
from hubops.execute.archive_content import read_content
from hubops.state.archive_model import MANIFEST, Archived, Manifest, parse_manifest

_FETCH = "Nothing was restored. Fetch the archive again from where it was copied to, or take an older one."


class Source(Protocol):
    """One archive, or what there is of it yet."""

    @property
    def where(self) -> str:
        """What people name it by."""

    @property
    def place(self) -> str:
        """The same for receipts, where it must be found from any machine."""

    def open(self, name: str) -> IO[bytes]:
        """Read a file of it; blocks.

        Raises:
            OSError: it has none (FileNotFoundError), or it cannot be read.
            HubopsError: the store does not give it.
        """


class Sink(Source, Protocol):
    """An archive that is being made."""

    async def write(self, name: str, pieces: AsyncIterator[bytes], size: int) -> None:
        """Write a file from its beginning; `size` in bytes is about what the pieces may come to, 0 for unknown.

        Raises:
            HubopsError: it cannot be written, or what the pieces raise; a half of it may stay.
        """

    async def complete(self, manifest: Manifest) -> tuple[Source, str]:
        """Make it whole by its manifest, the last that is written; returns it, and the manifest's SHA-256.

        Raises:
            HubopsError: it cannot be written.
        """


class Place(Protocol):
    """A directory, or a part of a bucket, that holds archives."""

    def begin(
        self, hub: str, cluster: str, files: Sequence[str], emit: Emit
    ) -> AbstractAsyncContextManager[Sink]:
        """An archive of a hub that will have these files; without `complete` nothing of it stays.

        What an interrupted run left is taken away; `cluster` tells whose it is where several write to one place.

        Raises:
            HubopsError: nothing can be written there.
        """


def read_manifest(source: Source) -> Manifest:
    """The manifest of a complete archive.

    Raises:
        RefusedError: there is none, or it is not understood.
        HubopsError: the store does not say.
    """
    try:
        with source.open(MANIFEST) as file:
            return parse_manifest(file.read().decode())
    except (OSError, ValueError, KeyError, TypeError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise RefusedError(
            "this is no archive of a hub",
            where=source.where,
            why=f"it has no {MANIFEST}" if missing else f"{MANIFEST}: {error or type(error).__name__}",
            hint="Name the place that hubops archive printed.",
        ) from error


def require_whole(source: Source, archived: Archived) -> None:
    """Read a file of the archive to its end.

    Raises:
        RefusedError: it is not the one that was written.
        MachineError: it cannot be read.
        HubopsError: the store does not give it.
    """
    where = f"{source.where}/{archived.file}"
    try:
        with source.open(archived.file) as file:
            content = read_content(file)
    except FileNotFoundError as error:
        raise RefusedError("a file of the archive is missing", where=where, hint=_FETCH) from error
    except OSError as error:
        raise MachineError(
            "an archive cannot be read", where=where, why=error.strerror or str(error), hint=_FETCH
        ) from error
    if content.sha256 != archived.sha256:
        raise RefusedError(
            "a file of the archive is not the one that was written",
            where=where,
            why=f"SHA-256 {content.sha256}, in the manifest {archived.sha256}",
            hint=_FETCH,
        )
    if content.damage or content.digest != archived.content:
        raise RefusedError(
            "a file of the archive does not hold what its manifest says",
            where=where,
            why=content.damage,
            hint=_FETCH,
        )
