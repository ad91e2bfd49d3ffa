"""What may be deployed of a git repository: a commit that others have, and never one that is older."""

from datetime import datetime
from pathlib import Path

from hubops.answer import Present
from hubops.clients.git import Git
from hubops.errors import RefusedError
from hubops.state.model import Commit, History


async def find_commit(root: Path) -> Commit:
    """What is checked out; without a hash where there is no git repository."""
    head = await Git(root).find_head()
    return Commit(head.commit, head.at, head.dirty) if head else Commit()


async def require_reproducible(root: Path) -> None:
    """What is deployed to a cluster that others use is a commit of the branch that others have.

    Raises:
        RefusedError: it is no commit, or one that nobody else may have, or its history is not here.
    """
    git, where = Git(root), str(root)
    head = await git.find_head()
    if head is None:
        hint = "Deploy from a clone: git init, git add, git commit make one."
        raise RefusedError("this is no git repository with a commit", where=where, hint=hint)
    if head.shallow:
        raise RefusedError(
            "this clone is shallow, so nobody can tell what is newer",
            where=where,
            why="the commits before its first one are missing",
            hint="git fetch --unshallow; in CI: fetch-depth: 0 (GitHub), GIT_DEPTH: 0 (GitLab),"
            " git: depth: false (Travis)",
        )
    if head.dirty:
        raise RefusedError(
            "files differ from the commit that would be recorded",
            where=where,
            why=await git.changes(),
            hint="Commit them, or put them away: git stash --include-untracked",
        )
    if head.branch and not await git.is_published(head.commit):
        raise RefusedError(
            f"nobody else has the commit {head.commit[:10]} yet",
            where=f"branch {head.branch}",
            why="no branch of a remote contains it",
            hint=f"Push it: git push origin {head.branch}",
        )
    branch = await git.default_branch()
    if not head.branch and branch and not await git.contains(branch, head.commit):
        raise RefusedError(
            f"HEAD is detached at {head.commit[:10]}, which is not on {branch}",
            where=where,
            why="what is deployed must be what a merge would deploy",
            hint=f"Check out the branch: git switch {branch.partition('/')[2]}",
        )


async def require_not_older(root: Path, commit: Commit, own: History, *, alone: bool) -> None:
    """A re-run of an old job, or an old checkout, does not move a hub backwards.

    Where this clone does not know the deployed commit, because history was rewritten or not fetched, the
    later commit time wins; on a cluster that somebody has `alone` several clones may take turns.

    Raises:
        RefusedError: something newer was deployed.
    """
    newest = next((r.commit for r in reversed(own.records) if r.commit.hash), Commit())
    if not commit.hash or not newest.hash or commit.hash == newest.hash:
        return
    forward = await Git(root).is_ancestor(newest.hash, commit.hash)
    if isinstance(forward, Present) and forward.value:
        return
    backward = await Git(root).is_ancestor(commit.hash, newest.hash)
    known = isinstance(backward, Present)
    older = backward.value if isinstance(backward, Present) else not alone and _time(commit) < _time(newest)
    if not older:
        return
    raise RefusedError(
        f"{own.hub} has a newer commit than this one",
        where=f"commit {commit.hash[:10]} of {commit.at}",
        why=f"{newest.hash[:10]} of {newest.at} was deployed already"
        + ("" if known else ", and this clone does not know it"),
        hint="Check out a newer commit. To go back on purpose, revert by a new commit.",
    )


def _time(commit: Commit) -> datetime:
    return datetime.fromisoformat(commit.at)
