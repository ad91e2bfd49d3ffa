"""A forge with one repository: this project as it is now, with a bare `origin` and somebody's clone."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.conftest import PROJECT

Edit = Callable[[str], str]
DOCKERFILE = "user-images/earth/Dockerfile"


def git(root: Path, *words: str) -> str:
    identity = ["-c", "user.name=teacher", "-c", "user.email=teacher@example.org"]
    done = subprocess.run(
        ["git", "-C", root, *identity, *words], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


@dataclass
class Origin:
    """The shared repository, and somebody's clone of it."""

    bare: Path
    work: Path

    def commit(self, message: str, edits: Mapping[str, Edit]) -> str:
        """Edit files, commit, and push to main; the commit."""
        for name, edit in edits.items():
            text = (self.work / name).read_text()
            assert edit(text) != text, name
            (self.work / name).write_text(edit(text))
        git(self.work, "commit", "-qam", message)
        git(self.work, "push", "-q", "origin", "HEAD")
        return git(self.work, "rev-parse", "HEAD")

    def checkout(self, directory: Path, ref: str = "origin/main") -> Path:
        """A CI runner's fresh clone with all history, at a commit."""
        git(self.bare.parent, "clone", "-q", str(self.bare), str(directory))
        git(directory, "fetch", "-q", "origin", "+refs/pull/*:refs/remotes/pull/*")
        git(directory, "checkout", "-q", ref)
        return directory


def make_origin(root: Path) -> Origin:
    """The repository in `root`, with one commit of every file that git knows or would take."""
    work, bare = root / "work", root / "origin.git"
    work.mkdir()
    names = git(PROJECT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in names:
        if (PROJECT / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, work / name)
    git(root, "init", "-q", "--bare", "-b", "main", str(bare))
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "The fleet")
    git(work, "remote", "add", "origin", str(bare))
    git(work, "push", "-q", "-u", "origin", "main")
    return Origin(bare, work)


def add_line(line: str) -> Edit:
    return lambda text: f"{text.rstrip()}\n{line}\n"
