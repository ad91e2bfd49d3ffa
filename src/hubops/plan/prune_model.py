"""What pruning a registry decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Spare:
    """An image that nobody needs, with all its tags, since `since`; `children` go with it if it is an index."""

    repository: str
    digest: str
    tags: tuple[str, ...]
    since: datetime
    children: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True)
class Kept:
    """An image that stays, and why: everybody who needs it."""

    repository: str
    digest: str
    tags: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Pruning:
    """`delete` may go now; `wait` are spare for too short a time; `marks` is what is to be remembered of both."""

    delete: Sequence[Spare]
    wait: Sequence[Spare]
    kept: Sequence[Kept]
    marks: Mapping[str, datetime]
