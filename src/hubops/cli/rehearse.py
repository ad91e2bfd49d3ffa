"""hubops chart upgrade --rehearse: another version of a hub's chart, tried in the hub's cluster."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_machine
from hubops.cli.progress import progress
from hubops.desired.model import Hub
from hubops.desired.repository import load_fleet
from hubops.errors import RefusedError
from hubops.events import Emit
from hubops.execute.twin import twin_namespace
from hubops.plan.rehearsal_model import Rehearsed
from hubops.report.rehearsal import format_rehearsal, rehearsal_data
from hubops.run.rehearse import rehearse
from hubops.scaffold.changes import Changes
from hubops.secret import Redactor

Look = Callable[[Path, Emit], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """What is asked of a rehearsal: a `server` for a probe person, people's `names` in the report, its `form`."""

    server: bool
    names: bool
    form: str


def rehearse_upgrade(hub: Hub, changes: Changes, look: Look, asked: Asked) -> None:
    """Try the changes in the hub's cluster, after saying what is done there, and report; no file is written.

    Raises:
        RefusedError: something would be worse than today.
        HubopsError: the new hub does not start, nobody can use it, or nobody could tell.
    """
    click.echo(_announcement(hub), err=True)
    redactor = Redactor()
    with changes.tried() as copy, progress(redactor) as emit:
        found = running.run(_rehearse(copy, hub.name, look, asked, emit=emit, redactor=redactor))
    click.echo(
        json.dumps(rehearsal_data(found, names=asked.names), indent=2)
        if asked.form == "json"
        else format_rehearsal(found, names=asked.names)
    )
    _require_no_findings(found, asked)


def _announcement(hub: Hub) -> str:
    twin = twin_namespace(hub.name)
    return (
        f"This touches cluster {hub.cluster.name}. {hub.name} goes on; a pod in namespace {hub.namespace} reads its "
        f"database.\nNamespace {twin} is made for the new hub, with a copy of the database, of secrets and settings, "
        f"without\na public address, and is removed at the end; if this run is killed, by the next rehearsal of {hub.name}."
    )


async def _rehearse(
    copy: Path, name: str, look: Look, asked: Asked, *, emit: Emit, redactor: Redactor
) -> Rehearsed:
    fleet = load_fleet(copy)
    machine = await load_machine(fleet, fleet.hubs[name].cluster, emit)
    await look(copy, emit)
    fleet = load_fleet(copy)  # with the chart, which was fetched just now
    async with run.open_session(machine, emit, redactor) as session:
        return await rehearse(fleet, fleet.hubs[name], session, server=asked.server)


def _require_no_findings(found: Rehearsed, asked: Asked) -> None:
    findings = found.findings
    if not findings:
        return
    hint = "\n".join(each.hint for each in findings)
    raise RefusedError(
        f"{found.hub} is not ready for {found.chart}: {'; '.join(each.what for each in findings)}",
        where=f"hub {found.hub}",
        hint=hint if asked.names else f"{hint}\n--names says whose.",
    )
