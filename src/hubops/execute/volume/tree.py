"""A directory as a list of entries, and the digest by which two of them are compared."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

# Where a restored tree is until it is complete; on the same file system as where it goes.
STAGING = ".hubops-restore"
NO_CONTENT = frozenset({STAGING, "lost+found"})
_BLOCK = 128 << 10  # bytes


def walk(root: Path, vanished: Callable[[], None], below: str = "") -> Iterator[str]:
    """Every path below root, relative, each directory before what is in it; `vanished` is told of one that goes meanwhile."""
    for entry in _entries(root / below, vanished if below else None):
        if not below and entry.name in NO_CONTENT:
            continue
        name = f"{below}/{entry.name}" if below else entry.name
        yield name
        if entry.is_dir(follow_symlinks=False):
            yield from walk(root, vanished, name)


def _entries(directory: Path, vanished: Callable[[], None] | None) -> list["os.DirEntry[str]"]:
    try:
        return sorted(os.scandir(directory), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        if vanished is None:
            raise
        vanished()
        return []


def line(name: str, kind: str, mode: int, content: str) -> bytes:
    """One entry of a tree as its digest sees it; owner and time do not count."""
    return f"{kind} {mode & 0o777:o} {content} ".encode("utf-8", "surrogateescape") + os.fsencode(name)


def digest(lines: Iterable[bytes]) -> str:
    """SHA-256 over a tree's lines, in whatever order they come."""
    total = hashlib.sha256()
    for each in sorted(lines):
        total.update(f"{len(each)}:".encode() + each)
    return total.hexdigest()


def sha256_of(file: IO[bytes]) -> str:
    total = hashlib.sha256()
    while block := file.read(_BLOCK):
        total.update(block)
    return total.hexdigest()


def tree_lines(root: Path) -> Iterator[bytes]:
    """The lines of a directory's files, directories and links. Raises: OSError: something cannot be read, or vanishes."""

    def vanished() -> None:
        raise FileNotFoundError("a directory vanished while it was read")

    for name in walk(root, vanished):
        path = root / name
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield line(name, "d", mode, "")
        elif stat.S_ISLNK(mode):
            yield line(name, "l", 0, str(path.readlink()))
        elif stat.S_ISREG(mode):
            with path.open("rb") as file:
                yield line(name, "f", mode, sha256_of(file))
