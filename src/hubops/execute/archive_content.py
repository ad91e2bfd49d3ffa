"""What a tar.gz holds, found by reading all of it once."""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from hubops.execute.volume import tree

_PIECE = 128 << 10


@dataclass(frozen=True)
class Content:
    """`sha256` and `packed_bytes` are of the file as it is; `damage` says why the rest cannot be known, "" if it can."""

    sha256: str
    packed_bytes: int
    digest: str
    files: int
    bytes: int
    damage: str


def read_content(file: IO[bytes]) -> Content:
    """Read a tar.gz to its end, whatever is in it.

    Raises:
        OSError, HubopsError: it cannot be read.
    """
    counted, damage, members = _Counted(file), "", list[tuple[bytes, int | None]]()
    try:
        with gzip.open(counted) as zipped, tarfile.open(fileobj=zipped, mode="r|") as tar:  # type: ignore[call-overload]  # it only reads
            members = list(_members(tar))
            while zipped.read(_PIECE):
                """To the sum at its end."""
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        damage = str(error) or type(error).__name__
    while counted.read(_PIECE):
        """What is behind it counts too."""
    sizes = [size for _, size in members if size is not None]
    found = tree.digest(line for line, _ in members)
    return Content(counted.total.hexdigest(), counted.bytes, found, len(sizes), sum(sizes), damage)


class _Counted:
    """A file, and what was read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.total = hashlib.sha256()
        self.bytes = 0
        self._file = file

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self.total.update(piece)
        self.bytes += len(piece)
        return piece


def _members(tar: tarfile.TarFile) -> Iterator[tuple[bytes, int | None]]:
    """The lines of the tree that it holds, and the sizes of its files."""
    contents: dict[str, tuple[str, int]] = {}
    while member := tar.next():
        tar.members.clear()  # type: ignore[attr-defined]  # it remembers each; a home may have a million
        if member.isdir():
            yield tree.line(member.name, "d", member.mode, ""), None
        elif member.issym():
            yield tree.line(member.name, "l", 0, member.linkname), None
        else:
            sha256, size = _linked(contents, member) if member.islnk() else _read(tar, member)
            contents[member.name] = sha256, size
            yield tree.line(member.name, "f", member.mode, sha256), size


def _linked(contents: dict[str, tuple[str, int]], member: tarfile.TarInfo) -> tuple[str, int]:
    if member.linkname not in contents:
        raise tarfile.ReadError("it has a link to a file that is not in it")
    return contents[member.linkname]


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, int]:
    file = tar.extractfile(member)
    if file is None:
        raise tarfile.ReadError("it holds what no archive of a volume has: a device or a pipe")
    return tree.sha256_of(file), member.size
