"""What a test of an image found in it."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Package:
    """What a package manager put into an image; `kind` is "python", "conda", "npm", or a distribution, "debian" say."""

    kind: str
    name: str
    version: str


@dataclass(frozen=True)
class Trial:
    """An image does what hubs and its own notebooks ask.

    `singleuser` is the version that people's server tells, "" where no hub starts one. `notes` are what is
    right, and may be otherwise than somebody thinks. `cached`: nothing was run, for all is as it was when it
    went well.
    """

    notebooks: int = 0
    cells: int = 0
    singleuser: str = ""
    packages: tuple[Package, ...] = ()
    notes: tuple[str, ...] = ()
    cached: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer as a registry keeps it: its size in bytes, packed, and the step of the Dockerfile that made it."""

    digest: str
    size: int
    made_by: str = ""


@dataclass(frozen=True)
class Contents:
    """What an image consists of; None for what is not known."""

    packages: tuple[Package, ...] | None = None
    layers: tuple[Layer, ...] | None = None
