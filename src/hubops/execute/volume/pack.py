"""A volume as a tar.gz, while others may write to it."""

import contextlib
import gzip
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .tree import walk

_LEVEL = 4  # half the time of 6, for some per cent more
_SQLITE = b"SQLite format 3\0"
_SQLITE_BUSY_S = 30
_BESIDE_DATABASE = ("-wal", "-shm", "-journal")


@dataclass
class Packed:
    """What was sent. `changed` files were written to or vanished meanwhile; `skipped` are sockets and the like."""

    sha256: str = ""
    changed: int = 0
    skipped: int = 0
    error: str = ""

    def count_changed(self) -> None:
        self.changed += 1


def pack(root: Path, target: IO[bytes], copies: Mapping[str, Path | None], packed: Packed) -> None:
    """Write all below root as a tar.gz; `copies` are files to be read instead of others, None for none at all.

    Raises:
        OSError: something cannot be read.
    """
    with (
        gzip.GzipFile(fileobj=target, mode="wb", compresslevel=_LEVEL, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in walk(root, packed.count_changed):
            source = copies.get(name, root / name)
            if source:
                try:
                    _add(tar, name, source, packed)
                except FileNotFoundError:
                    packed.count_changed()
                tar.members.clear()  # type: ignore[attr-defined]  # it remembers each; a home may have a million


def _add(tar: tarfile.TarFile, name: str, source: Path, packed: Packed) -> None:
    mode = source.lstat().st_mode
    if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
        tar.addfile(tar.gettarinfo(source, arcname=name))
    elif stat.S_ISREG(mode):
        with source.open("rb") as file:
            before = os.fstat(file.fileno())
            info = tar.gettarinfo(arcname=name, fileobj=file)
            tar.addfile(info, _Whole(file) if info.isreg() else None)  # type: ignore[arg-type]  # it only reads
            after = os.fstat(file.fileno())
        packed.changed += (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
    else:
        packed.skipped += 1


class _Whole:
    """A file that shrinks while it is read keeps the size that the archive's header promises."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        return self._file.read(size).ljust(size, b"\0")


def copy_databases(root: Path, directory: Path) -> dict[str, Path | None]:
    """Copies of the SQLite databases at the top of root, each of one moment, whoever writes to it just then.

    Raises:
        OSError: one cannot be read, or its copy is damaged.
    """
    copies: dict[str, Path | None] = {}
    for path in filter(_is_database, sorted(root.iterdir())):
        copy = directory / path.name
        try:
            _copy_database(path, copy)
        except sqlite3.Error as error:
            raise OSError(f"{path.name}: {error}") from error
        copies |= {path.name: copy, **{path.name + suffix: None for suffix in _BESIDE_DATABASE}}
    return copies


def _is_database(path: Path) -> bool:
    if not stat.S_ISREG(path.lstat().st_mode):
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy_database(source: Path, copy: Path) -> None:
    uri = f"{source.as_uri()}?mode=ro"
    with (
        contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_SQLITE_BUSY_S)) as original,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        original.backup(target)
        said = target.execute("PRAGMA integrity_check").fetchone()[0]
    if said != "ok":
        raise sqlite3.DatabaseError(f"the database is damaged: {said}")
    shutil.copystat(source, copy)
