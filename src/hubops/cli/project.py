"""Which operations repository a command is about."""

from pathlib import Path

from hubops.desired.settings import SETTINGS
from hubops.local import paths


def project() -> Path:
    """The operations repository: where we are called in it, or below it; elsewhere this checkout, if it is one."""
    here = Path.cwd()
    found = (each for each in (here, *here.parents, paths.project_dir()) if (each / SETTINGS).is_file())
    return next(found, here)
