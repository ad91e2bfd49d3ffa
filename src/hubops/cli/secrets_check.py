"""hubops secrets check: does a key here open each file, who else can open it, and does the hub get what it needs?"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from hubops.cli import running
from hubops.cli.machine import project
from hubops.cli.main import format_error
from hubops.cli.progress import progress
from hubops.cli.sealed import refuse_local
from hubops.cli.secret_source import locked, require_sops
from hubops.cli.secrets_people import FEWEST, few
from hubops.clients.sops_failures import METADATA, recipients
from hubops.desired.files import read_secrets
from hubops.desired.model import Fleet, Hub, Problem, Values
from hubops.desired.repository import load_fleet
from hubops.desired.secret_check import check_secrets, lacking
from hubops.desired.secret_files import SecretState
from hubops.desired.secret_keys import find_missing
from hubops.errors import HubopsError, RepositoryError
from hubops.events import Emit
from hubops.scaffold import sops_config
from hubops.scaffold.edit import open_draft

# Each is a sops of its own, with 40 MB and 0.1 s of a processor, or a wait for the key service of a cloud, which
# refuses who asks for too much at once: enough to hide the waiting, and for 200 hubs no flood.
_AT_ONCE = 8


@dataclass
class _Row:
    """One file: who can open it (whom .sops.yaml names, by name), what is wrong, and what should be better."""

    hub: str
    file: str
    recipients: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@click.command()
@click.argument("hubs", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(hubs: tuple[str, ...], form: str) -> None:
    """Open the secrets of HUBS (default: all hubs off the local cluster), and say what is wrong with them."""
    fleet = load_fleet(project())
    chosen = [fleet.require_hub(name) for name in hubs]
    chosen = chosen or [hub for hub in fleet.in_order() if not hub.cluster.local]
    with progress() as emit:
        rows = running.run(_rows(fleet, chosen, emit))
    click.echo(json.dumps([asdict(row) for row in rows], indent=2) if form == "json" else _format(rows))
    if any(row.problems for row in rows):
        sys.exit(RepositoryError.exit_code)


async def _rows(fleet: Fleet, hubs: list[Hub], emit: Emit) -> list[_Row]:
    config = open_draft(fleet.root, sops_config.NAME).value
    room = asyncio.Semaphore(_AT_ONCE)

    async def row(hub: Hub) -> _Row:
        async with room:
            return await _row(fleet.root, hub, config, emit)

    return await asyncio.gather(*map(row, hubs))


async def _row(root: Path, hub: Hub, config: sops_config.Config, emit: Emit) -> _Row:
    row = _Row(hub.name, f"secrets/{hub.name}.yaml")
    try:
        await _look(row, root, hub, config, emit)
    except HubopsError as error:
        row.problems.append(Problem(error.what, error.where, error.why, error.hint, (hub.name,)))
    return row


async def _look(row: _Row, root: Path, hub: Hub, config: sops_config.Config, emit: Emit) -> None:
    refuse_local(hub)
    file = read_secrets(root, hub.name)
    if file.state is SecretState.GIT_CRYPT_LOCKED:
        raise locked(hub.name, file.name)
    if errors := list(check_secrets(hub, file)):
        raise errors[0]
    values: Values = file.document.value
    if file.state is SecretState.SOPS:
        _look_at_recipients(row, recipients(values[METADATA]), config)
        values = await (await require_sops(hub, emit)).decrypt(file.content, file.name)
    if missing := find_missing(hub, values):
        raise lacking(hub, file.name, missing)


def _look_at_recipients(row: _Row, found: list[str], config: sops_config.Config) -> None:
    names, wanted = sops_config.names_of(config), sops_config.recipients_for(config, row.file)
    row.recipients = [names.get(each, each) for each in found]
    if len(found) < FEWEST:
        row.notes.append(few(row.file, len(found)))
    row.notes += [f"{each} has no name in {sops_config.NAME}" for each in found if each not in names]
    if {*found} != {*wanted}:
        row.notes.append(
            f"{row.file} is not for those whom {sops_config.NAME} names: sops updatekeys {row.file}"
        )


def _format(rows: list[_Row]) -> str:
    lines = []
    for row in rows:
        who = f" (can be opened by: {', '.join(row.recipients)})" if row.recipients else ""
        lines.append(f"{row.hub}: {'not usable' if row.problems else 'opens'}{who}")
        lines += [format_error(problem.error()) for problem in row.problems]
        lines += [f"note: {note}" for note in row.notes]
    return "\n".join(lines or ["every hub is on the local cluster, where secrets are generated"])
