"""What a rule is: a name, one line about it, and the function that finds what breaks it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from hubops.errors import RepositoryError

Subject = TypeVar("Subject")
Find = Callable[[Subject], Iterator[RepositoryError]]


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """A rule about a hub, the fleet, or the reading of its files; docs/check.md has a section for each.

    One that may not be ignored is about what nobody could deploy either: files that cannot be understood.
    """

    name: str
    about: str
    find: Find[Subject]
    may_be_ignored: bool = True


def only(name: str, find: Find[Subject]) -> Find[Subject]:
    """Of what is found for several rules at once, that of one."""
    return lambda subject: (error for error in find(subject) if error.rule == name)
