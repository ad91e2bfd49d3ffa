"""Git, asked in real repositories; and what may be deployed of them."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fast.deploys import F, P, history, record
from hubops.answer import Absent, Present
from hubops.clients.git import Git
from hubops.errors import ProgramError, RefusedError, RepositoryError
from hubops.run.order import find_commit, require_not_older, require_reproducible
from hubops.state.model import Commit, History

DAY = "2026-03-0{}T10:00:00+00:00"


def git(where: Path, *words: str, day: int = 1) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    at = DAY.format(day)
    environ = {**os.environ, "GIT_COMMITTER_DATE": at, "GIT_AUTHOR_DATE": at}
    command = ["git", *identity, *words]
    return subprocess.run(
        command, cwd=where, env=environ, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(where: Path, text: str, day: int = 1, file: str = "hub-charts/a/values.yaml") -> Commit:
    (where / file).parent.mkdir(parents=True, exist_ok=True)
    (where / file).write_text(text)
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", text, day=day)
    return Commit(git(where, "rev-parse", "HEAD"), DAY.format(day))


@pytest.fixture(autouse=True)
def no_settings_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "settings").touch()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Three commits on main, a day apart."""
    where = tmp_path / "origin"
    where.mkdir()
    git(where, "init", "-q", "-b", "main")
    for day in (1, 2, 3):
        commit(where, f"day {day}", day)
    return where


def clone(origin: Path, name: str = "clone", *words: str) -> Path:
    git(origin.parent, "clone", "-q", *words, f"file://{origin}", name)
    return origin.parent / name


# --- the client


async def test_what_is_checked_out(origin: Path) -> None:
    head = await Git(clone(origin)).find_head()
    assert head
    assert (head.commit, head.branch, head.shallow, head.dirty) == (git(origin, "rev-parse", "HEAD"), "main", False, False)  # fmt: skip
    assert head.at.startswith("2026-03-03T10:00:00")
    assert await find_commit(origin) == Commit(head.commit, head.at)


async def test_reading_writes_nothing_not_even_the_index(origin: Path) -> None:
    """Under sudo it would be root's from then on."""
    where = clone(origin)
    os.utime(where / "hub-charts/a/values.yaml", (1, 1))  # git does not know any more that it is unchanged
    index = where / ".git/index"
    before = index.stat()
    head = await Git(where).find_head()
    assert head
    assert not head.dirty
    assert (index.stat().st_ino, index.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_without_a_repository_or_a_commit_there_is_none(tmp_path: Path) -> None:
    plain, fresh = tmp_path / "plain", tmp_path / "fresh"
    plain.mkdir()
    fresh.mkdir()
    git(fresh, "init", "-q")
    assert await Git(plain).find_head() is None
    assert await Git(fresh).find_head() is None
    assert await find_commit(plain) == Commit()


async def test_a_repository_that_git_refuses_to_read_is_not_none(origin: Path) -> None:
    (origin / ".git/HEAD").write_text("damaged")
    with pytest.raises(ProgramError, match="cannot read this repository"):
        await Git(origin / "hub-charts").find_head()


SIGN = """#!/bin/sh
cat >/dev/null
printf '\\n[GNUPG:] SIG_CREATED x\\ngpg: Good signature\\n' >&2
printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nx\\n-----END PGP SIGNATURE-----\\n'
"""


async def test_a_signature_that_a_person_wants_to_see_is_not_taken_for_the_commit(origin: Path) -> None:
    program = origin.parent / "gpg"
    program.write_text(SIGN)
    program.chmod(0o755)
    git(origin, "config", "gpg.program", str(program))
    git(origin, "config", "log.showSignature", "true")
    git(origin, "commit", "-q", "-S", "--allow-empty", "-m", "signed")
    assert "Good signature" in git(origin, "log", "-1")
    head = await Git(origin).find_head()
    assert head
    assert head.commit == git(origin, "rev-parse", "HEAD")


@pytest.mark.parametrize("setting", ["status.showUntrackedFiles no", "core.quotePath false"])
async def test_a_persons_settings_change_no_answer(setting: str, origin: Path) -> None:
    git(origin, "config", *setting.split())
    (origin / "new").touch()
    head = await Git(origin).find_head()
    assert head
    assert head.commit == git(origin, "rev-parse", "HEAD")
    assert head.dirty


async def test_what_differs_from_the_commit(origin: Path) -> None:
    (origin / "new").touch()
    (origin / "hub-charts/a/values.yaml").write_text("edited")
    head = await Git(origin).find_head()
    assert head
    assert head.dirty
    assert set((await Git(origin).changes()).splitlines()) == {" M hub-charts/a/values.yaml", "?? new"}


async def test_ignored_files_and_those_of_other_directories_are_none_of_it(origin: Path) -> None:
    commit(origin, "*.tgz", file=".gitignore")
    (origin / "hub-charts/x.tgz").touch()
    (origin / "elsewhere").touch()
    head = await Git(origin / "hub-charts").find_head()
    assert head
    assert not head.dirty


async def test_detached_and_shallow(origin: Path) -> None:
    git(origin, "checkout", "-q", "--detach", "HEAD~1")
    head = await Git(origin).find_head()
    assert head
    assert (head.branch, head.shallow) == ("", False)
    git(origin, "checkout", "-q", "main")
    shallow = await Git(clone(origin, "shallow", "--depth=1")).find_head()
    assert shallow
    assert (shallow.branch, shallow.shallow) == ("main", True)


async def test_ancestors(origin: Path) -> None:
    old, new = git(origin, "rev-parse", "HEAD~1"), git(origin, "rev-parse", "HEAD")
    asked = Git(origin)
    assert await asked.is_ancestor(old, new) == Present(value=True)
    assert await asked.is_ancestor(new, old) == Present(value=False)
    assert await asked.is_ancestor(new, new) == Present(value=True)
    assert await asked.is_ancestor("0" * 40, new) == Absent()
    assert await Git(clone(origin, "shallow", "--depth=1")).is_ancestor(old, new) == Absent()


async def test_the_default_branch(origin: Path, tmp_path: Path) -> None:
    git(origin, "branch", "-q", "-m", "trunk")
    where = clone(origin)
    assert await Git(where).default_branch() == "origin/trunk"
    # As CI fetches: without the remote's HEAD.
    git(where, "remote", "set-head", "origin", "--delete")
    assert await Git(where).default_branch() == ""
    git(where, "update-ref", "refs/remotes/origin/master", "HEAD")
    assert await Git(where).default_branch() == "origin/master"
    git(where, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert await Git(where).default_branch() == "origin/main"
    assert await Git(origin).default_branch() == ""
    assert await Git(tmp_path).default_branch() == ""


async def test_where_two_branches_parted(origin: Path) -> None:
    base = git(origin, "rev-parse", "HEAD")
    git(origin, "checkout", "-q", "-b", "side")
    commit(origin, "side", 4)
    git(origin, "checkout", "-q", "main")
    commit(origin, "main", 5)
    assert await Git(origin).merge_base("side") == base
    with pytest.raises(RepositoryError, match="no-such-branch"):
        await Git(origin).merge_base("no-such-branch")


async def test_files_of_a_commit(origin: Path, tmp_path: Path) -> None:
    before = git(origin, "status", "--short")
    await Git(origin).export("HEAD~2", tmp_path / "whole")
    assert (tmp_path / "whole/hub-charts/a/values.yaml").read_text() == "day 1"
    await Git(origin / "hub-charts").export("HEAD~1", tmp_path / "part")
    assert (tmp_path / "part/a/values.yaml").read_text() == "day 2"
    assert git(origin, "status", "--short") == before
    assert not list(tmp_path.glob("*.tar"))


async def test_files_of_no_commit_and_of_a_directory_that_was_not_there(origin: Path, tmp_path: Path) -> None:
    commit(origin, "new", file="later/file")
    for where, ref in ((origin, "no-such-ref"), (origin / "later", "HEAD~1")):
        with pytest.raises(RepositoryError, match=f"no files of {ref}"):
            await Git(where).export(ref, tmp_path / "out")


# --- what may be deployed to a cluster that others use


async def refusal(root: Path) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await require_reproducible(root)
    assert caught.value.where == str(root)
    assert caught.value.hint
    return caught.value


async def test_a_clean_clone_may_and_so_may_a_commit_of_its_branch(origin: Path) -> None:
    where = clone(origin)
    await require_reproducible(where)
    git(where, "checkout", "-q", "--detach", "HEAD~1")  # as CI checks out
    await require_reproducible(where)


async def test_no_repository(tmp_path: Path) -> None:
    assert "no git repository" in (await refusal(tmp_path)).what


async def test_a_shallow_clone(origin: Path) -> None:
    found = await refusal(clone(origin, "shallow", "--depth=1"))
    assert "shallow" in found.what
    assert "fetch-depth: 0" in found.hint


async def test_a_dirty_tree_names_the_files(origin: Path) -> None:
    (origin / "hub-charts/a/values.yaml").write_text("edited")
    (origin / "new file").touch()
    found = await refusal(origin)
    assert "files differ" in found.what
    assert "hub-charts/a/values.yaml" in found.why
    assert "new file" in found.why
    assert "git stash" in found.hint


async def test_a_commit_that_is_on_no_branch(origin: Path) -> None:
    where = clone(origin)
    git(where, "checkout", "-q", "--detach")
    found = commit(where, "mine alone", 4)
    told = await refusal(where)
    assert told.what == f"HEAD is detached at {found.hash[:10]}, which is not on origin/main"
    assert "git switch main" in told.hint


# --- never backwards


def deployed(found: Commit, *more: Any) -> History:
    return history(record(1, P, commit=found), *more)


def commits(where: Path) -> list[Commit]:
    lines = git(where, "log", "--reverse", "--format=%H %cI").splitlines()
    return [Commit(found, at) for found, at in (line.split() for line in lines)]


async def test_the_same_and_a_newer_commit_go_forward(origin: Path) -> None:
    one, two, three = commits(origin)
    for alone in (True, False):
        for wanted, has in ((three, one), (three, two), (two, two)):
            await require_not_older(origin, wanted, deployed(has), alone=alone)
        await require_not_older(origin, one, History("staging"), alone=alone)
        await require_not_older(origin, Commit(), deployed(three), alone=alone)
        await require_not_older(origin, one, deployed(Commit()), alone=alone)


@pytest.mark.parametrize("alone", [True, False])
async def test_an_older_commit_is_refused_though_the_newer_one_failed(origin: Path, *, alone: bool) -> None:
    one, two, three = commits(origin)
    own = deployed(two, record(2, F, "b", commit=three), record(3, P, commit=Commit()))
    with pytest.raises(RefusedError) as caught:
        await require_not_older(origin, one, own, alone=alone)
    assert caught.value.what == "staging has a newer commit than this one"
    assert caught.value.where == f"commit {one.hash[:10]} of {one.at}"
    assert three.hash[:10] in caught.value.why
    assert "does not know it" not in caught.value.why
    assert "revert by a new commit" in caught.value.hint


async def test_branches_that_parted_may_take_turns(origin: Path) -> None:
    git(origin, "checkout", "-q", "-b", "side", "HEAD~1")
    side = commit(origin, "side", 2)
    await require_not_older(origin, side, deployed(commits(origin)[0]), alone=False)
    git(origin, "checkout", "-q", "main")
    await require_not_older(origin, commits(origin)[-1], deployed(side), alone=False)
    git(origin, "checkout", "-q", "side")
    await require_not_older(
        origin, side, deployed(Commit(git(origin, "rev-parse", "main"), DAY.format(3))), alone=False
    )


async def test_of_commits_that_are_not_known_here_the_later_one_wins(origin: Path) -> None:
    wanted = commits(origin)[1]
    older, newer = Commit("1" * 40, DAY.format(1)), Commit("2" * 40, DAY.format(3))
    await require_not_older(origin, wanted, deployed(older), alone=False)
    with pytest.raises(RefusedError, match="does not know it"):
        await require_not_older(origin, wanted, deployed(newer), alone=False)
    await require_not_older(origin, wanted, deployed(newer), alone=True)


async def test_times_are_compared_and_not_their_texts(origin: Path) -> None:
    wanted = commits(origin)[1]  # 10:00 in London
    earlier = Commit("1" * 40, "2026-03-02T10:30:00+02:00")
    await require_not_older(origin, wanted, deployed(earlier), alone=False)
