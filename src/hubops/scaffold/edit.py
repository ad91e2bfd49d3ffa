"""Editing YAML files of the operations repository: what every command that writes it uses.

people = open_draft(root, "hub-charts/course/people.yaml")
people.value.setdefault("admins", []).append("ann")
click.echo(write([people]))
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubops.desired.yaml import parse_yaml
from hubops.errors import RefusedError, RepositoryError
from hubops.scaffold.rewrite import rewrite
from hubops.scaffold.written import replace_file, unified_diff


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
        replace_file(draft.file.resolve(), text.encode())
    return "".join(_diff(draft, text) for draft, text in changed)


def _read(file: Path, name: str) -> str | None:
    """The text with its line ends as they are."""
    try:
        return file.read_bytes().decode() if file.exists() else None
    except UnicodeError as error:
        raise RepositoryError("this is not UTF-8", where=name, why=str(error)) from error


def _diff(draft: Draft, after: str) -> str:
    return unified_diff(draft.before, after, f"a/{draft.name}", f"b/{draft.name}")
