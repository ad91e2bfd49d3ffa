"""Editing YAML files of the operations repository: what every command that writes it uses.

people = open_draft(root, "hub-charts/course/people.yaml")
people.value.setdefault("admins", []).append("ann")
click.echo(write([people]))
"""

import contextlib
import difflib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubops.desired.yaml import parse_yaml
from hubops.errors import RefusedError, RepositoryError
from hubops.scaffold.rewrite import rewrite


@dataclass
class Draft:
    """A file, and in `value` what it is to say: change that in place. `before` is None where there is no file."""

    file: Path
    name: str
    before: str | None
    value: Any

    def after(self) -> str:
        """The text that says `value`; all else in it stays.

        Raises:
            RepositoryError: it cannot be changed so without changing more (aliases, merges).
        """
        return rewrite(self.before or "", self.value, self.name)

    def diff(self) -> str:
        """What would be written, as a unified diff; empty for nothing.

        Raises:
            RepositoryError: as `after`.
        """
        return _diff(self, self.after())


def open_draft(root: Path, name: str) -> Draft:
    """The file of that name in the repository; an absent or empty one holds an empty mapping.

    Raises:
        RepositoryError: it is not YAML as Helm reads it, or no mapping.
    """
    before = _read(root / name, name)
    value = parse_yaml(before or "", name).value or {}
    if not isinstance(value, dict):
        raise RepositoryError(f"{name} must hold keys and values", where=name)
    return Draft(root / name, name, before, value)


def write(drafts: Iterable[Draft]) -> str:
    """Write the files that are to say something else, each at once or not at all; their diff.

    Nothing is written before all can be. Mode, owner and symbolic links stay.

    Raises:
        RepositoryError: as `Draft.after`.
        RefusedError: a file is not any more what it was when it was opened.
    """
    texts = [(draft, draft.after()) for draft in drafts]
    changed = [(draft, text) for draft, text in texts if text != (draft.before or "")]
    for draft, _ in changed:
        if _read(draft.file, draft.name) != draft.before:
            raise RefusedError(
                "the file has changed meanwhile", where=draft.name, hint="Nothing was written: try again."
            )
    for draft, text in changed:
        _replace(draft.file.resolve(), text.encode())
    return "".join(_diff(draft, text) for draft, text in changed)


def _read(file: Path, name: str) -> str | None:
    """The text with its line ends as they are."""
    try:
        return file.read_bytes().decode() if file.exists() else None
    except UnicodeError as error:
        raise RepositoryError("this is not UTF-8", where=name, why=str(error)) from error


def _diff(draft: Draft, after: str) -> str:
    before, behind = ((text or "").splitlines(keepends=True) for text in (draft.before, after))
    old = f"a/{draft.name}" if draft.before is not None else "/dev/null"
    lines = difflib.unified_diff(before, behind, old, f"b/{draft.name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _replace(file: Path, content: bytes) -> None:
    """Whoever reads meanwhile, or after a kill, finds the old content or the new."""
    like = file if file.exists() else file.parent
    status = like.stat()
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            os.fchmod(handle, status.st_mode & (0o7777 if like is file else 0o666))
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.fchown(handle, status.st_uid, status.st_gid)
            opened.flush()
            os.fsync(handle)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
