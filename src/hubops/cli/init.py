"""hubops init: an operator's own repository."""

from pathlib import Path

import click

from hubops import __version__
from hubops.cli.writing import require_right
from hubops.errors import MachineError, RefusedError
from hubops.local import paths
from hubops.scaffold.changes import Changes
from hubops.scaffold.ci_files import FORGES, Choice, pinned, render
from hubops.scaffold.ci_settings import settings_to_make
from hubops.scaffold.hub_files import embedded_pin
from hubops.scaffold.repository_files import repository_files

_NONE = "none"


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--registry", default="registry.example.org", show_default=True, help="Where images are pushed."
)
@click.option(
    "--ci",
    "forge",
    type=click.Choice([*sorted(FORGES), _NONE]),
    default="github",
    show_default=True,
    help="Whose CI file to write.",
)
@click.option("--branch", default="main", show_default=True, help="The branch that CI deploys.")
def command(directory: Path, registry: str, forge: str, branch: str) -> None:
    """Make DIRECTORY an operations repository: a staging hub for the local cluster, its image, and a CI file."""
    choice = Choice(branch)
    files = _files(registry) | _ci_file(forge, choice)
    changes = Changes(directory.resolve(), files)
    _require_free(directory, changes)
    with changes.tried() as copy:
        require_right(copy)
    changes.make()
    click.echo("\n".join(f"+ {name}" for name in sorted(files)))
    if forge != _NONE:
        click.echo(f"\nTo set on {forge}, before CI deploys:\n{settings_to_make(forge, choice)}")
    click.echo(_next(directory))


def _files(registry: str) -> dict[str, bytes]:
    project = paths.project_dir()
    chart = embedded_pin(project)
    if chart is None:
        hint = "Install hubops again: pip install --force-reinstall hubops"
        raise MachineError("hubops was installed without its charts", where=str(project), hint=hint)
    return repository_files(project, __version__, registry, chart)


def _ci_file(forge: str, choice: Choice) -> dict[str, bytes]:
    if forge == _NONE:
        return {}
    return {FORGES[forge][0]: render(forge, pinned(__version__), choice).encode()}


def _require_free(directory: Path, changes: Changes) -> None:
    taken = changes.in_the_way()
    if taken:
        raise RefusedError(
            f"{'files are' if len(taken) > 1 else 'a file is'} in the way",
            where=str(directory),
            why="\n".join(taken),
            hint="Nothing was written. Move them away, or name another directory.",
        )


def _next(directory: Path) -> str:
    return f"""
Next:
  cd {directory}
  git init && git add --all && git commit -m "Hubs"
  hubops check
  hubops start        as root: a cluster on this machine, with staginghub on it
  hubops new HUB      another hub"""
