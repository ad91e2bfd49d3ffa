"""Three answers to "is it there?": unknown never means absent and never permits a write."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Present(Generic[T]):
    """It is there, and this is it."""

    value: T


@dataclass(frozen=True)
class Absent:
    """The authority itself said that it is not there (HTTP 404, and nothing less)."""


@dataclass(frozen=True)
class Unknown:
    """Nobody could tell; `reason` says why, for a person."""

    reason: str


Answer = Present[T] | Absent | Unknown
