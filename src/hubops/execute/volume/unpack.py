"""A tar.gz that comes in pieces becomes a volume's content, at once when all of it is there."""

import contextlib
import os
import shutil
import stat
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .tree import NO_CONTENT, STAGING, digest, tree_lines

_BLOCK = 1 << 20  # bytes


class Unpacking:
    """A tar.gz that comes in pieces and is unpacked below `root` as it comes."""

    def __init__(self, root: Path) -> None:
        self.received = 0
        self._error = ""
        self._root = root
        _clear(root)
        root.mkdir()
        reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._unpack, args=[reader], daemon=True)
        self._thread.start()

    def feed(self, offset: int, piece: bytes) -> None:
        """Raises: OSError: it cannot be unpacked, or it is not the next piece."""
        if offset != self.received:
            raise OSError(f"piece {offset} where {self.received} was to come")
        left = memoryview(piece)
        try:
            while left:
                left = left[os.write(self._writer, left) :]
        except BrokenPipeError:
            self._thread.join()
            raise OSError(self._error or "there is more than the archive") from None
        self.received += len(piece)

    def finish(self) -> str:
        """The digest of what was unpacked. Raises: OSError: it was not complete, or not understood."""
        os.close(self._writer)
        self._thread.join()
        if self._error:
            raise OSError(self._error)
        return digest(tree_lines(self._root))

    def abandon(self) -> None:
        """Nothing more comes, and nothing more is written."""
        with contextlib.suppress(OSError):  # it was finished
            os.close(self._writer)
        self._thread.join()

    def _unpack(self, reader: int) -> None:
        # Older ones have no filters, newer ones want to be told.
        options: Any = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
        try:
            with open(reader, "rb") as pipe, tarfile.open(fileobj=pipe, mode="r|gz") as tar:
                tar.extractall(self._root, members=_inside(tar), **options)  # noqa: S202 - see _inside
                while pipe.read(_BLOCK):  # what fills the last block
                    pass
        except (OSError, tarfile.TarError, EOFError) as error:
            self._error = f"{type(error).__name__}: {error}"


def _inside(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    links: set[str] = set()
    for member in tar:
        parts = member.name.split("/")
        # Through a link that it brings itself a path would lead out as well.
        above = ("/".join(parts[:end]) for end in range(1, len(parts)))
        if member.name.startswith("/") or ".." in parts or (links and not links.isdisjoint(above)):
            raise OSError("the archive has a path that leads out of it")
        if member.issym():
            links.add(member.name)
        yield member


def _clear(root: Path) -> None:
    """Remove what an earlier try left, directories among it that forbid that."""
    if root.exists():
        for directory, _, _ in os.walk(root):
            Path(directory).chmod(0o700)
        shutil.rmtree(root)


def swap(root: Path, aside: str) -> None:
    """Put what was unpacked where it belongs; what is there goes into the directory `aside`."""
    staging = root / STAGING
    old = [path for path in root.iterdir() if path.name not in NO_CONTENT]
    if old:
        (root / aside).mkdir()
    for path in old:
        _move(path, root / aside / path.name)
    for path in sorted(staging.iterdir()):
        _move(path, root / path.name)
    staging.rmdir()


def _move(path: Path, target: Path) -> None:
    """Rename; a directory that nobody may write to cannot be moved as it is, for its `..` changes."""
    mode = path.lstat().st_mode
    locked = stat.S_ISDIR(mode) and not mode & stat.S_IWUSR
    if locked:
        path.chmod(stat.S_IMODE(mode) | stat.S_IWUSR)
    path.rename(target)
    if locked:
        target.chmod(stat.S_IMODE(mode))
