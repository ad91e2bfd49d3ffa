"""hubops secrets new: a hub's file of secrets, with all that can be generated."""

import getpass
import os
from dataclasses import dataclass
from pathlib import Path

import click

from hubops.cli import running
from hubops.cli.machine import project
from hubops.cli.progress import progress
from hubops.cli.sealed import bench, refuse_local, write_new
from hubops.clients import age
from hubops.clients.sops import Sops
from hubops.desired.model import Hub, Values
from hubops.desired.repository import load_fleet
from hubops.desired.schema import dotted
from hubops.desired.secret_keys import PASSWORDS, find_missing, uses_passwords
from hubops.desired.values import leaves, path_below, prefixed, texts
from hubops.errors import RefusedError
from hubops.events import Emit
from hubops.local.secrets import generate
from hubops.local.toolchain import require_tool
from hubops.scaffold.edit import Draft, open_draft, write
from hubops.scaffold.sops_config import NAME, new_config
from hubops.secret import Redactor, Secret


@dataclass(frozen=True)
class _Owner:
    """The person's own recipient, where its key is, and whether the key was made just now."""

    recipient: str
    where: str
    made: bool = False


@click.command()
@click.argument("hub")
def command(hub: str) -> None:
    """Write secrets/HUB.yaml, encrypted, with new values for all that can be generated.

    Without a .sops.yaml it is made as well, for your own age key; without a key that too.
    """
    fleet, redactor = load_fleet(project()), Redactor()
    found = fleet.require_hub(hub)
    _refuse(fleet.root, found)
    with progress(redactor) as emit:
        for line in running.run(_new(fleet.root, found, emit, redactor)):
            click.echo(line)


def _refuse(root: Path, hub: Hub) -> None:
    name = f"secrets/{hub.name}.yaml"
    refuse_local(hub)
    if (root / name).exists():
        hint = f"Change it: hubops secrets edit {hub.name}, or hubops secrets rotate {hub.name}"
        raise RefusedError(f"{hub.name} has secrets already", where=name, hint=hint)


async def _new(root: Path, hub: Hub, emit: Emit, redactor: Redactor) -> list[str]:
    name, values = f"secrets/{hub.name}.yaml", _values(hub)
    redactor.add(map(Secret, texts(values)))
    config, owner = open_draft(root, NAME), None
    if config.before is None:
        owner = await _owner(emit)
        config.value = new_config(getpass.getuser(), owner.recipient)
    encrypted = await _encrypt(root, name, prefixed(hub, values), config, emit)
    told = write([config])
    write_new(root, name, encrypted)
    return [*filter(None, [told]), *_written(hub, values, name), *(_key_lines(owner) if owner else ())]


def _values(hub: Hub) -> Values:
    values = generate()
    if not uses_passwords(hub):
        del values["hub"]["config"][PASSWORDS[0][2]]
    return values


async def _encrypt(root: Path, name: str, values: Values, config: Draft, emit: Emit) -> bytes:
    import yaml  # noqa: PLC0415 - only when a file is made

    plain = yaml.safe_dump(values, sort_keys=False)
    sops = Sops(await require_tool("sops", emit))
    with bench(root, [NAME, name]) as copies:
        (copies / NAME).write_text(config.after())
        return await sops.encrypt(plain.encode(), copies / NAME, name)


async def _owner(emit: Emit) -> _Owner:
    keygen, file = await require_tool("age-keygen", emit), age.own_key_file()
    if key := os.environ.get("SOPS_AGE_KEY"):
        return _Owner(await age.recipient_of(keygen, key, "SOPS_AGE_KEY"), "SOPS_AGE_KEY")
    if made := not file.exists():
        await age.make_key(keygen, file)
    return _Owner(await age.recipient_of(keygen, file.read_text(), str(file)), str(file), made)


def _written(hub: Hub, values: Values, name: str) -> list[str]:
    keys = [f"+ {dotted(path)}" for path, _ in leaves(prefixed(hub, values))]
    missing = [
        f"Still to be put in, with hubops secrets edit {hub.name}:",
        *(dotted(path_below(hub, path)) for path in find_missing(hub, prefixed(hub, values))),
    ]
    return [f"{name} written, encrypted:", *keys, *(missing if len(missing) > 1 else [])]


def _key_lines(owner: _Owner) -> list[str]:
    return [
        f"Your key is {'new, in' if owner.made else 'that of'} {owner.where}; its public part is {owner.recipient}.",
        "Back it up where only you can read it, and never into git: without it nobody can open these secrets.",
        "Let a second one in, a colleague or CI: hubops secrets add-person NAME RECIPIENT",
    ]
