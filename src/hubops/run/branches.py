"""The fleet as commits have it, and which of them are open branches."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from hubops.clients.git import Git
from hubops.desired.model import Fleet
from hubops.desired.repository import load_fleet
from hubops.desired.settings import SETTINGS
from hubops.errors import RefusedError, RepositoryError


@asynccontextmanager
async def fleet_at(root: Path, ref: str) -> AsyncIterator[Fleet]:
    """The fleet as a commit has it; its files are gone at the end.

    Raises:
        RepositoryError: there is no such commit, or a file of it is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="hubops-base-") as directory:
        base = Path(directory) / "base"
        await Git(root).export(ref, base)
        yield load_fleet(base)


async def open_branches(root: Path) -> Mapping[str, str]:
    """The commits at the heads of all branches, here and at the remotes, each with a branch's name.

    Raises:
        RefusedError: this is no git repository, or lacks a commit that a remote has at the head of a branch.
        OutOfReachError: a remote does not answer.
    """
    git = Git(root)
    if await git.find_head() is None:
        raise RefusedError(
            "this is no git repository with a commit, so nobody can tell what its branches are",
            where=str(root),
            hint="Run this in a clone.",
        )
    known = await git.branches()
    for name, commit in (await git.remote_branches()).items():
        if known.get(name) != commit:
            raise RefusedError(
                f"this clone does not have the branch {name} as it is",
                where=str(root),
                why=f"it has {known[name][:10]}, and the remote {commit[:10]}"
                if name in known
                else f"the remote has it at {commit[:10]}",
                hint="Fetch every branch: git fetch --all --prune, in a clone that is neither shallow nor of one branch.",
            )
    return {commit: name for name, commit in known.items()}


@asynccontextmanager
async def branch_fleet(root: Path, name: str, commit: str) -> AsyncIterator[Fleet | None]:
    """The fleet of a branch; None where it has none, such as one with a web site.

    Raises:
        RefusedError: it cannot be read.
    """
    if not await Git(root).has_file(commit, SETTINGS):
        yield None
        return
    try:
        async with fleet_at(root, commit) as fleet:
            yield fleet
    except RepositoryError as error:
        raise RefusedError(
            f"the branch {name} cannot be read, so nobody can tell what it needs",
            where=error.where,
            why=f"{error.what}\n{error.why}".strip(),
            hint="Correct the branch, or delete it if it is done with.",
        ) from error
