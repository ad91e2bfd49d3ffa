"""Where things outside the clone live; stdlib only, for the bootstrap uses it before anything is installed."""

import os
from pathlib import Path

# Sockets and daemon data of a machine, needed by root's Docker and BuildKit only.
RUN_DIR = Path("/run/hubops")
DATA_DIR = Path("/var/lib/hubops")


def cache_dir() -> Path:
    """What can be made again: the environment, tools, images (XDG base directories)."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """What cannot: the local clusters' ports, secrets and volumes."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def _xdg(variable: str, default: str) -> Path:
    configured = os.environ.get(variable, "")
    return (Path(configured) if configured else Path.home() / default) / "hubops"


def project_dir() -> Path:
    """Where toolchain/, images/ and charts/ lie: in an installed package, else in the checkout it runs from."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "project"
    return installed if installed.is_dir() else package.parents[1]
