"""hubops secrets edit: a hub's secrets in the person's editor, taken only when nothing is wrong with them."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from hubops.cli import running
from hubops.cli.machine import project
from hubops.cli.main import format_error
from hubops.cli.progress import progress
from hubops.cli.sealed import Sealed, bench, put_back, require_sealed, sops_for
from hubops.clients import process
from hubops.clients.memory import memory_directory
from hubops.clients.sops import Sops
from hubops.desired.files import telling_no_value
from hubops.desired.model import Fleet, Hub, Problem
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.desired.schema import dotted
from hubops.desired.values import leaves
from hubops.desired.yaml import Document, parse_yaml
from hubops.errors import ProgramError, RepositoryError, UsageError
from hubops.events import Emit
from hubops.local.toolchain import require_tool
from hubops.scaffold.rotation import changed_keys


@click.command()
@click.argument("hub")
def command(hub: str) -> None:
    """Open the secrets of HUB in $EDITOR. What is wrong is refused, and the file stays as it was.

    While the editor is open, they are plain in a file of memory that only you can read.
    """
    fleet = load_fleet(project())
    found = fleet.require_hub(hub)
    file = require_sealed(fleet.root, found)
    with progress() as emit:
        lines = running.run(_edit(fleet, found, file, emit))
    for line in lines:
        click.echo(line)


async def _edit(fleet: Fleet, hub: Hub, file: Sealed, emit: Emit) -> list[str]:
    sops = sops_for(fleet, await require_tool("sops", emit), file)
    old = await sops.decrypt_text(file.content, file.name)
    with bench(fleet.root, [file.name]) as copies, memory_directory("hubops-edit-") as directory:
        text, copy = directory / f"{hub.name}.yaml", copies / file.name
        text.touch(mode=0o600)
        text.write_text(old)
        known = find_problems(fleet.root, [hub.name]).problems
        while await _edited(text, old):
            problems = await _problems(hub, sops, text, copies)
            if not (new := [each for each in problems if each not in known]):
                break
            _refuse_or_again(file, new)
        after = await sops.decrypt(copy.read_bytes(), file.name)
        changed = changed_keys(await sops.decrypt(file.content, file.name), after)
        put_back(fleet.root, copies, [file])
    return [f"{file.name}:", *changed] if changed else ["no value was changed"]


async def _edited(text: Path, old: str) -> bool:
    """Whether the person saved something else."""
    editor = shlex.split(_editor(os.environ))
    if code := await process.attend([*editor, text]):
        hint = "Nothing was changed. Another editor: EDITOR=nano hubops secrets edit"
        raise ProgramError(f"{editor[0]} ended with {code}", hint=hint)
    return text.read_text() != old


def _editor(environment: Mapping[str, str]) -> str:
    named = (environment.get(name) for name in ("SOPS_EDITOR", "VISUAL", "EDITOR"))
    editor = next(filter(None, named), "")
    if not editor and not sys.stdin.isatty():
        raise UsageError(
            "this is no terminal, so nobody can edit here",
            hint="Run it on a terminal, or let EDITOR name a program that changes the file by itself.",
        )
    return editor or "vi"


async def _problems(hub: Hub, sops: Sops, text: Path, copies: Path) -> list[Problem]:
    """What is wrong with the edited text, and with the hub if it had these secrets."""
    name = f"secrets/{hub.name}.yaml"
    try:
        with telling_no_value():
            document = parse_yaml(text.read_text(), name)
    except RepositoryError as error:
        return [Problem(error.what, error.where, error.why, error.hint)]
    if not isinstance(document.value, dict):
        return [Problem(f"{name} must hold keys and values", name)]
    await sops.replace(copies / name, text, name)
    return [*_leaf_problems(hub, document), *find_problems(copies, [hub.name]).problems]


def _leaf_problems(hub: Hub, document: Document) -> Iterator[Problem]:
    for path, value in leaves(document.value):
        where = document.place(*path)
        if value is None or not str(value).strip():
            yield Problem(f"{dotted(path)} is empty", where, hint="Give it a value, or take it out.")
        if hub.prefix and path[0] != hub.prefix:
            yield Problem(f"{dotted(path)} reaches no chart", where, hint=f"Put it below {hub.prefix}.")


def _refuse_or_again(file: Sealed, problems: list[Problem]) -> None:
    """On a terminal the person may go on where they were.

    Raises:
        RepositoryError: they may not, or will not.
    """
    told = "\n".join(format_error(problem.error()) for problem in problems)
    if sys.stdin.isatty():
        click.echo(told, err=True)
        if click.confirm("Edit it again? (No: the file stays as it was)", default=True, err=True):
            return
    raise RepositoryError(f"{file.name} stays as it was", where=file.name, why=told, hint="Edit it again.")
