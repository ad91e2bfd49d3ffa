"""hubops secrets rotate: new values for what hubops generates, and a new data key."""

from collections.abc import Iterable
from pathlib import Path

import click

from hubops.cli import running
from hubops.cli.machine import project
from hubops.cli.progress import progress
from hubops.cli.sealed import bench, put_back, require_sealed, sops_for
from hubops.clients.sops import Sops
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.desired.values import texts
from hubops.events import Emit
from hubops.local.secrets import generate
from hubops.local.toolchain import require_tool
from hubops.scaffold import rotation
from hubops.secret import Redactor, Secret


@click.command()
@click.argument("hub")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def command(hub: str, keys: tuple[str, ...]) -> None:
    """Give the secrets KEYS of HUB new values (default: all that hubops generates but people's passwords).

    The whole file is encrypted anew. The hub has the new values after its next deploy.
    """
    fleet, redactor = load_fleet(project()), Redactor()
    found = fleet.require_hub(hub)
    with progress(redactor) as emit:
        for line in running.run(_rotate(fleet, found, keys, emit, redactor)):
            click.echo(line)


async def _rotate(fleet: Fleet, hub: Hub, keys: tuple[str, ...], emit: Emit, redactor: Redactor) -> list[str]:
    file = require_sealed(fleet.root, hub)
    sops = sops_for(fleet, await require_tool("sops", emit), file)
    values = await sops.decrypt(file.content, file.name)
    redactor.add(map(Secret, texts(values)))
    paths = rotation.choose(hub, values, keys)
    with bench(fleet.root, [file.name]) as copies:
        copy = copies / file.name
        await apply(sops, copy, file.name, rotation.changes(hub, values, generate(), paths), redactor)
        after = await sops.decrypt(copy.read_bytes(), file.name)
        put_back(fleet.root, copies, [file])
    return [
        f"{file.name} encrypted anew:",
        *rotation.changed_keys(values, after),
        f"With the next deploy of {hub.name}:",
        *rotation.effects(hub, paths),
    ]


async def apply(
    sops: Sops, copy: Path, name: str, changes: Iterable[rotation.Change], redactor: Redactor
) -> None:
    """Write the changes into the encrypted file, and encrypt all of it with a new data key."""
    for change in changes:
        if change.value is None:
            await sops.unset(copy, change.path, name)
            continue
        redactor.add([change.value])
        await sops.set_value(copy, change.path, change.value.reveal(), name)
    await sops.rotate(copy, name)
