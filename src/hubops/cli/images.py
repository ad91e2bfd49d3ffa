"""hubops images prune: what nobody needs any more leaves the registry."""

import json
from datetime import timedelta

import click

from hubops.cli import running
from hubops.cli.lazy import LazyGroup
from hubops.cli.machine import load_ways, project, registry_of
from hubops.cli.progress import progress
from hubops.clients.registry import Registry
from hubops.desired.repository import load_fleet
from hubops.local.instance import local_instance
from hubops.report.prune import format_pruning, pruning_data
from hubops.run.prune import Scope, look_at_images, prune_images
from hubops.secret import Redactor


@click.group(
    cls=LazyGroup,
    commands_by_name={"prune": ("hubops.cli.images:prune", "Delete those that nobody needs any more.")},
)
def command() -> None:
    """The images of the registry."""


@click.command()
@click.option("--delete", is_flag=True, help="Delete them. Without it nothing is written.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def prune(delete: bool, form: str) -> None:  # noqa: FBT001 - click's way
    """Say which images of the registry nobody needs any more, and why the others stay.

    Needed is what runs, what a deploy has, can go back to or holds, and what any branch builds or names. Where
    one of these cannot be asked, nothing is decided.
    """
    fleet, redactor = load_fleet(project()), Redactor()
    registry = registry_of(fleet)
    scope = Scope(registry, Registry(), local=registry == local_instance().registry)
    with progress(redactor) as emit:
        act = prune_images if delete else look_at_images
        pruning = running.run(act(fleet, scope, load_ways(fleet, emit, redactor)))
    grace = timedelta(hours=fleet.keeping.grace_hours)
    if form == "json":
        click.echo(json.dumps(pruning_data(pruning, grace, deleted=delete), indent=2))
    else:
        click.echo(redactor.mask(format_pruning(pruning, grace, deleted=delete)))
