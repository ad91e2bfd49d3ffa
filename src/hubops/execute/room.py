"""How many images may be built at once: asked before a build begins, so that none fails in the middle."""

from dataclasses import dataclass

from hubops.errors import MachineError

_GIB = 1 << 30
# What one build is given. Installing a course's packages takes about as much.
MEMORY_PER_BUILD = 1 * _GIB
DISK_PER_BUILD = 2 * _GIB


@dataclass(frozen=True)
class Room:
    """What is free on the machine that builds: cores, bytes of memory, bytes of disk at `place`.

    `disk` is None where the builder writes on another machine, or nobody can tell where.
    """

    cores: int
    memory: int
    disk: int | None
    place: str


def builds_at_once(room: Room) -> int:
    """One for each core, as far as memory and disk go.

    Raises:
        MachineError: not even one would have what it needs.
    """
    for what, free, needed in (
        ("memory", room.memory, MEMORY_PER_BUILD),
        ("disk", room.disk, DISK_PER_BUILD),
    ):
        if free is not None and free < needed:
            raise MachineError(
                f"building an image needs {needed / _GIB:.0f} GiB of {what}, {free / _GIB:.1f} are free",
                where=room.place if what == "disk" else "",
                hint="Make room, then run it again: finished steps are kept."
                if what == "disk"
                else "End other programs, or build on a machine with more.",
            )
    limits = [room.cores, room.memory // MEMORY_PER_BUILD]
    return max(1, min(limits if room.disk is None else [*limits, room.disk // DISK_PER_BUILD]))
