"""Under sudo no file of the clone changes its owner, and root leaves none of its own there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
OWNER = 12345
KEY = (
    "import sys; sys.path.insert(0, 'toolchain'); import bootstrap; print(bootstrap._complete('run').parent)"
)
COMMANDS = {
    "hubops check": ("./hubops", "check", "staginghub"),
    "start": ("./start", "--help"),
    "deploy.py": ("python3", "deploy.py", "--help"),
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's clone, in a path with a space."""
    clone = tmp_path_factory.mktemp("owners") / "a b" / "clone"
    left_out = shutil.ignore_patterns(".git", "__pycache__", "build", "*.egg-info", ".*_cache", ".hypothesis")
    shutil.copytree(PROJECT, clone, ignore=left_out, symlinks=True)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=clone, check=True)
    for path in (clone, *clone.rglob("*")):
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
    return clone


@pytest.fixture
def env(clone: Path, tmp_path: Path) -> dict[str, str]:
    """As sudo hands it on, with a cache that has the environment of these tests in the place of its own."""
    cache = tmp_path / "cache"
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "SUDO_UID": str(OWNER), "SUDO_GID": str(OWNER)}
    for name in ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH"):
        env.pop(name, None)
    told = subprocess.run(
        ["python3", "-B", "-c", KEY], cwd=clone, env=env, check=True, capture_output=True, text=True
    )
    place = Path(told.stdout.strip())
    place.parent.mkdir(parents=True)
    place.symlink_to(sys.prefix)
    return env


@pytest.mark.parametrize("case", COMMANDS)
def test_a_clone_is_left_as_it_is_by_root(clone: Path, env: dict[str, str], case: str) -> None:
    before = owners(clone)
    done = subprocess.run(COMMANDS[case], cwd=clone, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert owners(clone) == before
    assert set(before.values()) == {(OWNER, OWNER)}


def owners(root: Path) -> dict[str, tuple[int, int]]:
    found = {str(path.relative_to(root)): path.lstat() for path in root.rglob("*")}
    return {name: (about.st_uid, about.st_gid) for name, about in found.items()}
