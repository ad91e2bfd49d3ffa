"""What this machine has free for builds."""

import os
import shutil
from pathlib import Path

from hubops.execute.room import Room

_MEMORY = Path("/proc/meminfo")
# A container's limit and use, cgroup v2 and v1; "max" where there is none.
_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def find_room(directory: Path | None) -> Room:
    """What is free now; the disk is that of `directory`, be it there already or not, None where it is not ours."""
    return Room(
        len(os.sched_getaffinity(0)), _memory(), _disk(directory) if directory else None, str(directory)
    )


def _disk(directory: Path) -> int:
    """Bytes; Docker's own directory is one that others may not look into."""
    place = next(path for path in (directory, *directory.parents) if os.path.exists(path))  # noqa: PTH110 - raises nothing
    return shutil.disk_usage(place).free


def _memory() -> int:
    """Bytes that programs may still have."""
    lines = (line.split() for line in _MEMORY.read_text().splitlines())
    available = next(int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:")
    return min([available, *(limit - used for limit, used in map(_numbers, _LIMITS) if limit)])


def _numbers(files: tuple[str, str]) -> tuple[int, int]:
    try:
        limit, used = (int(Path(file).read_text()) for file in files)
    except (OSError, ValueError):
        return 0, 0
    return limit, used
