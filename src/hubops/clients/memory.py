"""Files that programs want to read, and that no disk may hold: what an editor or kubectl is given in plain."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a private directory is made in it


@contextmanager
def memory_directory(prefix: str) -> Iterator[Path]:
    """A directory of the person's own, in memory where the system has such (on macOS it is an ordinary one)."""
    places = [Path(os.environ.get("XDG_RUNTIME_DIR") or _MEMORY), _MEMORY]
    usable = next((place for place in places if place.is_dir() and os.access(place, os.W_OK)), None)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=usable) as name:  # mode 0700
        yield Path(name)
