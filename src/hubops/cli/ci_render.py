"""hubops ci render: write the CI files of the operations repository."""

import asyncio
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from hubops import __version__
from hubops.cli.machine import project
from hubops.clients import process
from hubops.desired.repository import load_fleet
from hubops.errors import HubopsError, RefusedError
from hubops.scaffold import ci_files
from hubops.scaffold.ci_files import FORGES, Choice
from hubops.scaffold.ci_settings import settings_to_make


@dataclass(frozen=True)
class _File:
    forge: str
    path: Path
    choice: Choice
    old: str | None
    new: str


@click.command()
@click.argument("forges", nargs=-1, required=True, type=click.Choice(sorted(FORGES)))
@click.option(
    "--branch", help="What is deployed. [default: as rendered before, else the remote's HEAD, else main]"
)
@click.option(
    "--runner", help="Label of the runner for merges. [default: as rendered before, else a hosted one]"
)
@click.option(
    "--check", is_flag=True, help="Write nothing; show how files differ, and end with 1 if one does."
)
@click.option("--force", is_flag=True, help="Overwrite files that were not rendered, or edited since.")
def command(
    forges: tuple[str, ...],
    branch: str | None,
    runner: str | None,
    check: bool,  # noqa: FBT001 - click's way
    force: bool,  # noqa: FBT001 - click's way
) -> None:
    """Write the files that let FORGES (github, gitlab, travis) run `hubops ci`, and say what to set there."""
    root = project()
    files = [_render(root, forge, branch, runner) for forge in dict.fromkeys(forges)]
    if check:
        _require_same(root, files)
        return
    if not force:
        _require_ours(files)
    hubs = load_fleet(root).hubs.values()
    for file in files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.path.write_text(file.new)
        click.echo(f"{file.path.relative_to(root)} written. To set on {file.forge}:")
        click.echo(settings_to_make(file.forge, file.choice))
    if hubs and all(hub.cluster.local for hub in hubs):
        click.echo(
            "Every hub is on a local cluster: give a runner that has it by --runner, or name another cluster."
        )


def _render(root: Path, forge: str, branch: str | None, runner: str | None) -> _File:
    path = root / FORGES[forge][0]
    old = path.read_text() if path.is_file() else None
    before = ci_files.recorded_choice(old or "")
    choice = Choice(
        branch or (before.branch if before else _default_branch(root)),
        runner if runner is not None else (before.runner if before else ""),
    )
    own = (root / "toolchain" / "bootstrap.py").is_file()
    program = ci_files.CHECKOUT if own else ci_files.pinned(__version__)
    return _File(forge, path, choice, old, ci_files.render(forge, program, choice))


def _default_branch(root: Path) -> str:
    """The branch that the remote calls its HEAD; `main` in a clone that was not told."""
    words = ["git", "symbolic-ref", "--short", "refs/remotes/origin/HEAD"]
    said = asyncio.run(process.attempt(words, cwd=root))
    return said.stdout.strip().removeprefix("origin/") or "main"


def _require_same(root: Path, files: list[_File]) -> None:
    different = [file for file in files if file.old != file.new]
    for file in different:
        click.echo("".join(_diff(file, file.path.relative_to(root).as_posix())), nl=False)
    if different:
        raise HubopsError(
            "CI files are not what would be rendered",
            where=", ".join(str(file.path) for file in different),
            hint=f"Render them: hubops ci render {' '.join(file.forge for file in different)}",
        )


def _diff(file: _File, name: str) -> Iterator[str]:
    before, after = (file.old or "").splitlines(keepends=True), file.new.splitlines(keepends=True)
    return difflib.unified_diff(before, after, name if file.old is not None else "/dev/null", name)


def _require_ours(files: list[_File]) -> None:
    for file in files:
        if file.old is None or file.old == file.new or ci_files.is_as_rendered(file.old):
            continue
        ours = ci_files.recorded_choice(file.old) is not None
        raise RefusedError(
            "a CI file would be overwritten",
            where=str(file.path),
            why="it was edited since it was rendered" if ours else "it was not rendered by hubops",
            hint=f"See the difference: hubops ci render {file.forge} --check. Overwrite it: add --force.",
        )
