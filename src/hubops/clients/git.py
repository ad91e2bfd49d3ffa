"""Git: which commit is this, is it older than another, and what did a file tree look like at a ref."""

import asyncio
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients import process
from hubops.errors import OutOfReachError, ProgramError, RepositoryError

_REMOTE_LIMIT_S = 60


@dataclass(frozen=True)
class Head:
    """What is checked out: the commit and its time (RFC 3339), the branch ("" when detached).

    `shallow`: older commits are missing from this clone. `dirty`: tracked files differ from the commit,
    or new ones are not ignored.
    """

    commit: str
    at: str
    branch: str
    shallow: bool
    dirty: bool


class Git:
    """The repository that holds `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def find_head(self) -> Head | None:
        """What is checked out; None outside a repository, and before its first commit.

        Raises:
            ProgramError: there is a repository, and git does not read it: it belongs to somebody else, say.
        """
        # A signature would be told first, where the person's settings ask for that.
        shown = await self._attempt("log", "-1", "--no-show-signature", "--format=%H %cI")
        if shown.code != 0:
            root = self._root.resolve()
            inside = any((directory / ".git").exists() for directory in (root, *root.parents))
            if inside and (await self._attempt("symbolic-ref", "-q", "HEAD")).code != 0:
                raise ProgramError("git cannot read this repository", where=str(root), why=shown.tail)
            return None
        commit, at = shown.stdout.split()
        branch = (await self._attempt("symbolic-ref", "--short", "-q", "HEAD")).stdout.strip()
        shallow = (await self._run("rev-parse", "--is-shallow-repository")).strip() == "true"
        dirty = bool(await self.changes())
        return Head(commit, at, branch, shallow, dirty)

    async def is_ancestor(self, older: str, newer: str) -> Answer[bool]:
        """Whether `newer` has `older` in its history; Absent when this clone does not have one of them."""
        done = await self._attempt("merge-base", "--is-ancestor", older, newer)
        if done.code in {0, 1}:
            return Present(done.code == 0)
        known = [
            (await self._attempt("cat-file", "-e", f"{ref}^{{commit}}")).code == 0 for ref in (older, newer)
        ]
        return Unknown(done.tail) if all(known) else Absent()

    async def changes(self) -> str:
        """The files that differ from the commit, as `git status --short` lists them."""
        # Whatever the person's settings say of new files.
        return (await self._run("status", "--short", "--untracked-files=normal", "--", ".")).rstrip()

    async def find_uncommitted(self, names: Sequence[str]) -> list[str]:
        """Those of the files that no commit has as they are, ignored ones apart; all where there is no repository."""
        words = ("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", *names)
        done = await self._attempt("--literal-pathspecs", *words)
        return [line[3:] for line in done.stdout.split("\0") if line] if done.code == 0 else list(names)

    async def changed_since(self, commit: str, below: str) -> set[str]:
        """The files in a directory that are not as the commit has them; new ones that git does not know apart.

        Raises:
            ProgramError: there is no such commit in this clone.
        """
        found = await self._run(
            "diff", "--name-only", "-z", "--no-renames", "--relative", commit, "--", below
        )
        return {name for name in found.split("\0") if name}

    async def is_published(self, commit: str) -> bool:
        """Whether a branch of a remote contains the commit, as far as was fetched; also where no remote is known."""
        listing = ["for-each-ref", "--format=%(refname)"]
        if not (await self._run(*listing, "refs/remotes")).strip():
            return True
        return bool((await self._run(*listing, f"--contains={commit}", "refs/remotes")).strip())

    async def contains(self, branch: str, commit: str) -> bool:
        """Whether a commit is part of a branch that this clone knows."""
        return (await self._attempt("merge-base", "--is-ancestor", commit, branch)).code == 0

    async def default_branch(self) -> str:
        """The branch of the remote `origin` that is checked out by a clone, as origin/NAME; "" when unknown."""
        shown = await self._attempt("symbolic-ref", "--short", "-q", "refs/remotes/origin/HEAD")
        if shown.code == 0:
            return shown.stdout.strip()
        for name in ("origin/main", "origin/master"):
            if (await self._attempt("rev-parse", "-q", "--verify", f"{name}^{{commit}}")).code == 0:
                return name
        return ""

    async def branches(self) -> dict[str, str]:
        """Every branch that this clone knows, its own (main) and those of remotes (origin/main): its commit.

        Raises:
            ProgramError: this is no git repository, or git cannot read it.
        """
        words = (
            "for-each-ref",
            "--format=%(objectname) %(symref) %(refname:lstrip=2)",
            "refs/heads",
            "refs/remotes",
        )
        lines = (line.split(" ") for line in (await self._run(*words)).splitlines())
        return {name: commit for commit, symbolic, name in lines if not symbolic}

    async def remote_branches(self) -> dict[str, str]:
        """Every branch that the remotes have now, as origin/main: its commit.

        Raises:
            OutOfReachError: a remote does not answer.
        """
        found: dict[str, str] = {}
        for remote in (await self._run("remote")).split():
            env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
            words = ["git", "-C", str(self._root), "ls-remote", "--heads", remote]
            what = f"the git remote {remote} does not tell its branches"
            try:
                done = await asyncio.wait_for(process.attempt(words, env=env), _REMOTE_LIMIT_S)
            except TimeoutError as error:
                raise OutOfReachError(what, why=f"no answer in {_REMOTE_LIMIT_S} s") from error
            if done.code != 0:
                raise OutOfReachError(what, why=done.tail)
            for commit, ref in (line.split("\t") for line in done.stdout.splitlines()):
                found[f"{remote}/{ref.removeprefix('refs/heads/')}"] = commit
        return found

    async def has_file(self, ref: str, name: str) -> bool:
        """Whether a commit has this file, whose name is relative to `root`.

        Raises:
            ProgramError: there is no such commit in this clone.
        """
        return bool((await self._run("ls-tree", "--name-only", ref, "--", name)).strip())

    async def names_ever(self, pattern: str) -> set[str]:
        """The files that any commit of this clone changed, below `root` and as `pattern` (glob) says.

        Raises:
            ProgramError: git cannot read the repository.
        """
        words = ("log", "--all", "--format=", "--name-only", "-z", "--relative", "--no-show-signature", "--")
        found = await self._run(*words, f":(glob){pattern}")
        return {name for name in found.split("\0") if name}

    async def merge_base(self, ref: str) -> str:
        """The commit from which HEAD and `ref` went their ways.

        Raises:
            RepositoryError: there is no such ref, or nothing in common.
        """
        done = await self._attempt("merge-base", "HEAD", ref)
        if done.code != 0:
            hint = "Fetch it: git fetch origin; a shallow clone needs git fetch --unshallow."
            raise RepositoryError(f"git knows no common commit of HEAD and {ref}", why=done.tail, hint=hint)
        return done.stdout.strip()

    async def files_without(self, marks: Iterable[str], directory: str) -> list[str]:
        """The files below `directory` that hold none of the texts in the commit that is checked out, or as staged.

        Raises:
            ProgramError: git cannot read the repository.
        """
        words = ["grep", "-a", "-L", "-z", "-F", *(word for mark in marks for word in ("-e", mark))]
        staged = await self._attempt(*words, "--cached", "--", directory)
        if staged.code not in {0, 1}:
            raise ProgramError("git cannot read this repository", where=str(self._root), why=staged.tail)
        # Before the first commit there is no HEAD, and nothing is said.
        committed = await self._attempt(*words, "HEAD", "--", directory)
        names = [*staged.stdout.split("\0"), *committed.stdout.split("\0")]
        return sorted({name.removeprefix("HEAD:") for name in names if name})

    async def texts_before(self, *patterns: str) -> list[tuple[str, str]]:
        """Files that were committed or staged otherwise than they lie here: their names, and what git has.

        Raises:
            ProgramError: git cannot read the repository.
        """
        words = ("status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=no", "--", *patterns)
        changed, prefix = await asyncio.gather(self._run(*words), self._run("rev-parse", "--show-prefix"))
        # Of a changed file: "1", its state, "N...", three modes, its blob in HEAD and in the index, its name from the top.
        lines = (line.split(" ", 8) for line in changed.split("\0") if line.startswith("1 "))
        found = {
            (name.removeprefix(prefix.strip("\n")), blob)
            for _, state, *_, head, index, name in lines
            # The second letter of the state is a dot where what is staged lies here.
            for blob in {head, index} - ({index} if state[1] == "." else set())
        }
        texts = await self._blobs({blob for _, blob in found if blob.strip("0")})
        return sorted((name, texts[blob]) for name, blob in found if blob in texts)

    async def _blobs(self, names: Collection[str]) -> dict[str, str]:
        if not names:
            return {}
        mark = uuid4().hex
        words = ("git", "-C", self._root, "cat-file", f"--batch={mark} %(objectname)")
        shown = await process.run(words, stdin="".join(f"{name}\n" for name in names).encode())
        heads_and_texts = (part.partition("\n") for part in shown.split(f"{mark} ")[1:])
        return {head: text.removesuffix("\n") for head, _, text in heads_and_texts}

    async def export(self, ref: str, target: Path) -> None:
        """Write the files of `root` but secrets/ as they were at a commit into a new directory.

        Raises:
            RepositoryError: there is no such commit.
        """
        prefix = (await self._run("rev-parse", "--show-prefix")).rstrip("\n")
        archive = target.with_suffix(".tar")
        # From the top, for git archives a directory only where it looks as it did at that commit.
        top = (await self._run("rev-parse", "--show-toplevel")).rstrip("\n")
        words = ["archive", "--format=tar", f"--output={archive}", f"{ref}:{prefix}"]
        # git-crypt would open its files for the archive.
        words += ["--", ".", ":(exclude)secrets"]
        done = await process.attempt(["git", "-C", top, *words])
        if done.code != 0:
            hint = "Name a commit, a branch or a tag; what a shallow clone lacks comes with: git fetch --unshallow"
            raise RepositoryError(f"git has no files of {ref}", why=done.tail, hint=hint)
        target.mkdir(parents=True)
        await process.run(["tar", "-xf", archive, "-C", target])
        archive.unlink()

    async def _attempt(self, *words: str) -> process.Finished:
        # Without the option `git status` brings the index up to date: under sudo it would be root's then.
        return await process.attempt(["git", "--no-optional-locks", "-C", self._root, *words])

    async def _run(self, *words: str) -> str:
        done = await self._attempt(*words)
        if done.code != 0:
            raise ProgramError(f"git {words[0]} failed", where=str(self._root), why=done.tail)
        return done.stdout
