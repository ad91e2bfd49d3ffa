"""Changes of an operator's files: tried on a copy before anything is touched, then made all or none."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubops.scaffold.written import replace_file, unified_diff

# What a plan copies by its real place; all else may be a link in the copy.
_COPIED = {"charts", "hub-charts", "values"}
_LONGEST = 60  # lines of a new file that are shown


@dataclass(frozen=True)
class Changes:
    """New contents of files by their path in the repository at `root`; None takes a file away."""

    root: Path
    files: Mapping[str, bytes | None]

    def in_the_way(self) -> list[str]:
        """Files that are there already and hold something else, and what stands where a directory would."""
        return sorted(name for name in self.files if _is_in_the_way(self.root, name, self.files[name]))

    def changed(self) -> list[str]:
        """Files that will not be what they are."""
        return [name for name, content in self.files.items() if _read(self.root / name) != content]

    def diff(self) -> str:
        """What is changed, as a unified diff; of what is new and long, or gone, the name and its length."""
        return "".join(self._diff(name) for name in sorted(self.files))

    @contextmanager
    def tried(self) -> Iterator[Path]:
        """A copy of the repository with the changes, for as long as it is looked at."""
        with tempfile.TemporaryDirectory(prefix="hubops-tried-") as directory:
            copy = Path(directory).resolve() / "repository"
            _mirror(self.root, copy, {Path(name) for name in self.files})
            _write(copy, self.files)
            yield copy

    def make(self) -> None:
        """Write them. Where one fails, those before it are taken back."""
        before = {name: _read(self.root / name) for name in self.files}
        try:
            _write(self.root, self.files)
        except BaseException:
            _write(self.root, before)
            raise

    def _diff(self, name: str) -> str:
        old, new = _text(_read(self.root / name)), _text(self.files[name])
        if new is None or (old is None and len(new.splitlines()) > _LONGEST):
            number = len(((old or "") if new is None else new).splitlines())
            return f"{'-' if new is None else '+'} {name} ({number} line{'' if number == 1 else 's'})\n"
        return unified_diff(old, new, name, name)


def read_tree(directory: Path, below: str) -> dict[str, bytes]:
    """The files of a directory by their path, which begins with `below`; no byte code."""
    found = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {
        f"{below}{path.relative_to(directory).as_posix()}": path.read_bytes()
        for path in found
        if "__pycache__" not in path.parts
    }


def _is_in_the_way(root: Path, name: str, content: bytes | None) -> bool:
    file = root / name
    above = (parent for parent in file.parents if parent == root or root in parent.parents)
    if any(parent.exists() and not parent.is_dir() for parent in above):
        return True
    return (file.exists() or file.is_symlink()) and (not file.is_file() or file.read_bytes() != content)


def _mirror(source: Path, target: Path, changed: set[Path], below: Path = Path()) -> None:
    """Directories on the way to a change are made anew, with links to all that stays."""
    target.mkdir(parents=True)
    for entry in source.iterdir() if source.is_dir() else ():
        here = below / entry.name
        if not below.parts and entry.name in _COPIED and entry.is_dir():
            shutil.copytree(entry, target / entry.name, ignore_dangling_symlinks=True)
        elif any(here in path.parents for path in changed) and entry.is_dir():
            _mirror(entry, target / entry.name, changed, here)
        elif here not in changed:
            (target / entry.name).symlink_to(entry.resolve())


def _write(root: Path, files: Mapping[str, bytes | None]) -> None:
    for name, content in files.items():
        file = (root / name).resolve()  # what a link leads to is what is edited
        if content is None:
            file.unlink(missing_ok=True)
            _remove_empty(root.resolve(), file.parent)
        elif _read(file) != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(file, content)


def _remove_empty(root: Path, directory: Path) -> None:
    """As git does, which knows no empty directories."""
    while directory != root and directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
        directory = directory.parent


def _read(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")
