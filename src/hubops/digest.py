"""Digests over content: the same bytes give the same digest on every machine and in every clone."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

NAMED = re.compile(r"sha256:[0-9a-f]{64}")
"""A digest as registries and Helm write it, with the name of its algorithm."""


def of_bytes(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def named(data: bytes) -> str:
    """SHA-256 as registries and Helm write it: `sha256:` before the hexadecimal."""
    return f"sha256:{of_bytes(data)}"


def of_file(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal, read in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_parts(parts: Iterable[str | bytes]) -> str:
    """SHA-256 over parts, each preceded by its length, so that no two lists share a digest."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(f"{len(data)}:".encode() + data)
    return total.hexdigest()


def of_tree(root: Path) -> str:
    """Digest over every file below `root`: relative path, execute bit or link target, content.

    Owner, time and umask do not count: they differ between clones of the same commit.

    Raises:
        OSError: a file cannot be read.
    """
    return of_parts(part for path in sorted(root.rglob("*")) for part in _tree_entry(root, path))


def _tree_entry(root: Path, path: Path) -> Iterator[str]:
    name = path.relative_to(root).as_posix()
    if path.is_symlink():
        yield from (name, "link", path.readlink().as_posix())
    elif path.is_file():
        executable = bool(path.stat().st_mode & 0o100)
        yield from (name, "executable" if executable else "file", of_file(path))
