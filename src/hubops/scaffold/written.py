"""A file written so that nobody ever finds a half of it, and what changes in it as people read it."""

import contextlib
import difflib
import os
import tempfile
from pathlib import Path


def replace_file(file: Path, content: bytes) -> None:
    """Whoever reads meanwhile, or after a kill, finds the old content or the new; mode and owner stay."""
    like = file if file.exists() else file.parent
    status = like.stat()
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            os.fchmod(handle, status.st_mode & (0o7777 if like is file else 0o666))
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.fchown(handle, status.st_uid, status.st_gid)
            opened.flush()
            os.fsync(handle)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def unified_diff(old: str | None, new: str, before: str, after: str) -> str:
    """As git shows it; None for a file that was not there."""
    lines = difflib.unified_diff(
        (old or "").splitlines(keepends=True),
        new.splitlines(keepends=True),
        before if old is not None else "/dev/null",
        after,
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
