"""The directory of one archive: under another name until it is complete, so that a part never looks like the whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubops import digest
from hubops.errors import MachineError, RefusedError
from hubops.execute.archive import read_content
from hubops.state.archive_model import MANIFEST, Archived, Manifest, parse_manifest

_PART = ".part"


@contextmanager
def begin(parent: Path, hub: str) -> Iterator[Path]:
    """A private directory for a hub's archive; what an interrupted run left is removed. `complete` keeps it.

    Raises:
        MachineError: it cannot be made.
    """
    part = parent / f"{hub}{_PART}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
    except OSError as error:
        raise MachineError(
            "the archive's directory cannot be made", where=str(part), why=str(error)
        ) from error
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def complete(part: Path, manifest: Manifest) -> tuple[Path, str]:
    """Write the manifest and give the directory its name; returns it, and the manifest's SHA-256.

    Raises:
        MachineError: it cannot be written.
    """
    stamp = manifest.at.replace(":", "").replace("-", "").partition("+")[0]
    directory = part.with_name(f"{manifest.hub}-{stamp}")
    text = manifest.dump()
    try:
        (part / MANIFEST).touch(mode=0o600)
        (part / MANIFEST).write_text(text)
        part.rename(directory)
    except OSError as error:
        raise MachineError("an archive cannot be written", where=str(part), why=str(error)) from error
    return directory, digest.of_bytes(text.encode())


def read(directory: Path) -> Manifest:
    """The manifest of a complete archive.

    Raises:
        RefusedError: there is none, or it is not understood.
    """
    try:
        return parse_manifest((directory / MANIFEST).read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(
            "this is no archive of a hub",
            where=str(directory / MANIFEST),
            why=str(error) or type(error).__name__,
            hint="Name the directory that hubops archive printed.",
        ) from error


def require_whole(directory: Path, archived: Archived) -> None:
    """Read a file of the archive to its end.

    Raises:
        RefusedError: it is not the one that was written.
        MachineError: it is damaged.
    """
    file = directory / archived.file
    try:
        found = digest.of_file(file)
    except OSError as error:
        raise RefusedError("a file of the archive is missing", where=str(file), why=str(error)) from error
    if found != archived.sha256:
        raise RefusedError(
            "a file of the archive is not the one that was written",
            where=str(file),
            why=f"SHA-256 {found}, in the manifest {archived.sha256}",
            hint="Nothing was restored. Fetch the archive again from where it was copied to.",
        )
    if read_content(file).digest != archived.content:
        raise RefusedError(
            "a file of the archive does not hold what its manifest says",
            where=str(file),
            hint="Nothing was restored.",
        )
