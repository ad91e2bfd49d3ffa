"""Changing a hub's people.yaml: all of the names or none."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hubops.desired.people import name_fault, normal_name
from hubops.errors import RefusedError, UsageError
from hubops.names import nearest

ADMINS, ALLOWED, BLOCKED = "admins", "allowed", "blocked"


@dataclass
class Lists:
    """The content of people.yaml, `value`, changed in place; `file` names it in messages.

    `login` and `pattern` tell which names there can be; of a file that is `encrypted` no message names others
    than it was told. `changed` are the lists that were changed, `remarks` what a person should know besides.
    """

    value: dict[str, Any]
    file: str
    login: str = ""
    pattern: str = ""
    encrypted: bool = False
    changed: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def add(self, names: Iterable[str], *, admin: bool) -> None:
        """Let people come, or make them admins, who may come without being named twice.

        Raises:
            UsageError: a name that nobody can have.
            RefusedError: somebody is blocked.
        """
        for name in self._checked(names):
            if self._has(BLOCKED, name):
                hint = f"Take the name out of {BLOCKED} in {self.file} first."
                raise RefusedError(f"{name} is blocked", where=self.file, hint=hint)
            if self._has(ADMINS, name):
                self.remarks.append(f"{name} is an admin already")
            elif admin:
                if self.value.get(ADMINS) is None:
                    self.remarks.append(f"{self.file} says from now on who is admin: nobody else stays one")
                self._take(ALLOWED, name)
                self._put(ADMINS, name)
            elif self._has(ALLOWED, name):
                self.remarks.append(f"{name} may come already")
            else:
                self._put(ALLOWED, name)

    def remove(self, names: Iterable[str], *, block: bool, missing_ok: bool = False) -> list[str]:
        """Let people come no longer; with `block` not even where a team or all may come. Their names, as the hub has them.

        Raises:
            UsageError: somebody is not there, unless that is a remark (`missing_ok`): the hub may know them still.
        """
        checked = self._checked(names)
        for name in checked:
            here = [key for key in (ADMINS, ALLOWED) if self._has(key, name)]
            if not here and not block:
                self._miss(name, (ADMINS, ALLOWED), f"{name} is not in {self.file}", ok=missing_ok)
            for key in here:
                self._take(key, name)
            if block and self._has(BLOCKED, name):
                self.remarks.append(f"{name} is blocked already")
            elif block:
                self._put(BLOCKED, name)
        return checked

    def demote(self, names: Iterable[str], *, missing_ok: bool = False) -> None:
        """Take away what an admin may; they may still come.

        Raises:
            UsageError: somebody is no admin, unless that is a remark (`missing_ok`).
        """
        for name in self._checked(names):
            if not self._has(ADMINS, name):
                self._miss(name, (ADMINS,), f"{name} is no admin in {self.file}", ok=missing_ok)
                continue
            self._take(ADMINS, name)
            if not self._has(ALLOWED, name):
                self._put(ALLOWED, name)

    def _checked(self, names: Iterable[str]) -> list[str]:
        checked = {name: normal_name(name, self.login) for name in names}
        for written, name in checked.items():
            if fault := name_fault(name, self.pattern):
                raise UsageError(f"nobody can have the name {written!r}", where=self.file, why=fault)
            if written != name:
                self.remarks.append(f"{written} is written {name}, as the hub compares names")
        return list(dict.fromkeys(checked.values()))

    def _names(self, key: str) -> list[str]:
        names: list[str] = self.value.get(key) or []
        return names

    def _has(self, key: str, name: str) -> bool:
        return any(normal_name(each, self.login) == name for each in self._names(key))

    def _put(self, key: str, name: str) -> None:
        self.value[key] = [*self._names(key), name]
        self.changed.add(key)

    def _take(self, key: str, name: str) -> None:
        if self._has(key, name):
            self.value[key] = [each for each in self._names(key) if normal_name(each, self.login) != name]
            self.changed.add(key)

    def _miss(self, name: str, keys: Iterable[str], what: str, *, ok: bool) -> None:
        others = [] if self.encrypted else [each for key in keys for each in self._names(key)]
        near = nearest(name, others)
        hint = f"Did you mean {near}?" if near else "See who is: hubops user list HUB"
        if not ok:
            raise UsageError(what, where=self.file, hint=hint)
        self.remarks.append(f"{what}. {hint}" if near else what)
