"""hubops user: the people of a hub, in its people.yaml, and with --now on the hub itself."""

import json
from collections.abc import Collection
from dataclasses import asdict

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_machine, local_top, project
from hubops.cli.people_file import open_people
from hubops.cli.progress import progress
from hubops.desired.access import login_of, read_access
from hubops.desired.model import Fleet, Hub, ImageReference, Values
from hubops.desired.people import PEOPLE_LISTS, hidden_lists, username_pattern, with_people
from hubops.desired.repository import load_fleet
from hubops.desired.schema import dotted
from hubops.desired.values import image_names, of_jupyterhub, render_values
from hubops.errors import RefusedError
from hubops.events import Emit
from hubops.scaffold.people import Lists
from hubops.secret import Redactor

_now = click.option("--now", is_flag=True, help="Do it on the running hub as well, at once.")


@click.group(help="The people of a hub, in its people.yaml.")
def command() -> None:
    pass


@command.command("list")
@click.argument("hub")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def list_(hub: str, form: str) -> None:
    """Say who is admin of HUB, who may come, who is blocked, and which teams may come.

    Of an encrypted people.yaml too, to whom has its key.
    """
    fleet = load_fleet(project())
    people = asdict(open_people(fleet, fleet.require_hub(hub)).opened_hub().people)
    lists = {key: people[key] for key in PEOPLE_LISTS}
    if form == "json":
        click.echo(json.dumps(lists, indent=2))
        return
    for key, names in lists.items():
        click.echo(f"{key:8} {', '.join(names) or '-'}")


@command.command()
@click.argument("hub")
@click.argument("names", nargs=-1, required=True)
@click.option("--admin", is_flag=True, help="As admins.")
@_now
def add(hub: str, names: tuple[str, ...], admin: bool, now: bool) -> None:  # noqa: FBT001 - click's way
    """Let NAMES come to HUB."""
    edit = _Edit(hub)
    edit.lists.add(names, admin=admin)
    edit.write("They may come from the next deploy on.", now=now)


@command.command()
@click.argument("hub")
@click.argument("names", nargs=-1, required=True)
@click.option("--block", is_flag=True, help="Keep them out also where a team, or everybody, may come.")
@click.option("--admin", is_flag=True, help="They are admins no longer, and may still come.")
@_now
def remove(hub: str, names: tuple[str, ...], block: bool, admin: bool, now: bool) -> None:  # noqa: FBT001 - click's way
    """Let NAMES come to HUB no longer. Their homes stay."""
    if block and admin:
        raise click.UsageError("--admin lets them come, --block does not")
    edit = _Edit(hub)
    if admin:
        edit.lists.demote(names, missing_ok=now)
        edit.write("They are admins until the next deploy.", now=now)
        return
    leaving = edit.lists.remove(names, block=block, missing_ok=now)
    if not block and not edit.is_closed():
        edit.lists.remarks.append(f"others than the named may come to {hub}: to keep somebody out, --block")
    edit.write(
        "The next deploy ends their servers, sessions and tokens; their homes stay.",
        now=now,
        leaving=leaving,
    )


class _Edit:
    """One change of a hub's people.yaml."""

    def __init__(self, name: str) -> None:
        self.fleet = load_fleet(project())
        self.hub = self.fleet.require_hub(name)
        self.values = _rendered(self.fleet, self.hub)
        own = self._own(self.values)
        self.file = open_people(self.fleet, self.hub)
        draft, pattern = self.file.draft, username_pattern(self.hub, self.values)
        self.lists = Lists(draft.value, draft.name, login_of(own), pattern, self.hub.people.encrypted)

    def is_closed(self) -> bool:
        return read_access(self._own(with_people(self.file.opened_hub(), self.values))).closed

    def write(self, meaning: str, *, now: bool, leaving: Collection[str] = ()) -> None:
        """Write the file, and say what it means; with `now` do it on the hub, which these are to leave."""
        self._refuse_hidden()
        text = self.file.write()
        click.echo(text, nl=False)
        for remark in [*self.lists.remarks, *([meaning] if text and not now else [])]:
            click.echo(remark, err=True)
        if not text:
            click.echo("nothing to change in the file", err=True)
        if now:
            self._apply(leaving)

    def _apply(self, leaving: Collection[str]) -> None:
        hub, redactor = load_fleet(self.fleet.root).hubs[self.hub.name], Redactor()
        with progress(redactor) as emit:
            made = running.run(_on_hub(self.fleet, hub, leaving, emit, redactor))
        done = f"deploy {made.number} has these people" if made.number else "the hub had these people already"
        click.echo(f"{hub.name}: {done}. Commit people.yaml: the next deploy goes by it.", err=True)

    def _refuse_hidden(self) -> None:
        hidden = hidden_lists(self.hub, self.values)
        for key in sorted(self.lists.changed & hidden.keys()):
            raise RefusedError(
                f"{key} of {self.hub.name}'s people.yaml counts for nothing",
                where=dotted(hidden[key]),
                why="what values say wins",
                hint="Take it out there, and write the names into people.yaml.",
            )

    def _own(self, values: Values) -> Values:
        return of_jupyterhub(self.hub, values)


def _rendered(fleet: Fleet, hub: Hub) -> Values:
    """The hub's values; which images they name is of no interest here."""
    top = local_top(fleet, hub)
    images = {name: ImageReference(name, "") for name in image_names(hub, *top)}
    return render_values(hub, images, *top)


async def _on_hub(
    fleet: Fleet, hub: Hub, leaving: Collection[str], emit: Emit, redactor: Redactor
) -> run.Made:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        return await run.apply_people(hub, session, leaving=leaving)
