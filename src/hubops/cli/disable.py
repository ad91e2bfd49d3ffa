"""hubops disable and enable: a hub that is not to run for a while, in its hub.yaml."""

import click

from hubops.cli.machine import project
from hubops.cli.writing import write
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.errors import UsageError
from hubops.scaffold.changes import Changes
from hubops.scaffold.edit import open_draft

_KEY = "disabled"


@click.command()
@click.argument("hub")
@click.argument("reason")
def command(hub: str, reason: str) -> None:
    """Let HUB not run: the next deploy stops it, and its data stays.

    At the local cluster's address people read REASON; on other clusters they see what those show without a hub.
    """
    fleet = load_fleet(project())
    if not reason.strip() or len(reason.splitlines()) > 1:
        raise UsageError(
            "the reason must be one line of text", hint="People may read it at the hub's address."
        )
    found = fleet.require_hub(hub)
    _set(fleet, found, reason)
    waiting = sorted(each.name for each in fleet.hubs.values() if each.proved_by == hub and not each.disabled)
    if not found.cluster.local:
        click.echo(
            f"\nOn {found.cluster.name} nobody reads the reason at the hub's address, where no page of hubops is. "
            "Tell people where else they look."
        )
    if waiting:
        click.echo(f"\nWhile it is disabled it proves nothing new for {', '.join(waiting)}.")


@click.command()
@click.argument("hub")
def enable(hub: str) -> None:
    """Let HUB run again: the next deploy starts it and proves it."""
    fleet = load_fleet(project())
    _set(fleet, fleet.require_hub(hub), "")


def _set(fleet: Fleet, hub: Hub, reason: str) -> None:
    if hub.disabled == reason:
        click.echo(f"{hub.name} is {'disabled so' if reason else 'enabled'} already.")
        return
    draft = open_draft(fleet.root, f"hub-charts/{hub.name}/hub.yaml")
    draft.value.pop(_KEY, None)
    if reason:
        draft.value[_KEY] = reason
    # Where hub.yaml was made for this key alone it goes with it.
    content = draft.after().encode() or None
    write(fleet, Changes(fleet.root, {draft.name: content}), [hub.name])
