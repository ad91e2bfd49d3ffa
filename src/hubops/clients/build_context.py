"""A build's context as every machine and clone sends it to BuildKit."""

import os
import shutil
from pathlib import Path

from hubops.digest import of_file

# Content decides an image, so its files bear one time: the same for every build, in seconds since 1970.
SOURCE_DATE_EPOCH = 1_700_000_000


def copy_context(source: Path, target: Path) -> None:
    """Copy what decides the image, without umask, owner and times of the checkout.

    BuildKit keeps what buildctl sent it for all builds together, and takes a file of the same path, size
    and time for the same file. In an unpacked archive, where all times are equal, an image would get
    another one's file. So a file's time follows from its content; all are after SOURCE_DATE_EPOCH, which
    then replaces them in the image.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in (p for p in sorted(source.rglob("*")) if p.is_symlink() or p.is_file()):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            copy.symlink_to(path.readlink())
            continue
        shutil.copyfile(path, copy)
        copy.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        time_ns = SOURCE_DATE_EPOCH * 10**9 + int(of_file(copy)[:12], 16)
        os.utime(copy, ns=(time_ns, time_ns))
    for path in (p for p in target.rglob("*") if p.is_dir() and not p.is_symlink()):
        path.chmod(0o755)
