"""What is run as a proof, and what it found."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A code cell and what it must give: None where the notebook stores no such output.

    `number` counts code cells from 1, `png` is the stored picture.
    """

    number: int
    source: str
    stdout: str | None = None
    result: str | None = None
    png: bytes | None = None


@dataclass(frozen=True)
class Notebook:
    """A notebook of an image's own; `name` is its path in the repository, `kernel` the kernel it asks for."""

    name: str
    kernel: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Proof:
    """People could work: a server started and every cell gave what it must. Seconds per phase.

    `hub_answered_s` is until the hub answered and what an earlier probe had left was gone. `leftovers` says why something could not be removed afterwards ("" when all was); the next run sweeps.
    """

    hub_version: str
    probe: str
    cells: int
    hub_answered_s: float
    server_started_s: float
    kernel_s: float
    cells_s: float
    cleanup_s: float
    leftovers: str = ""
