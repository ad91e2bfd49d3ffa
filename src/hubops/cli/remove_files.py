"""hubops remove --files: the files of a hub that is not wanted any more; nothing live is touched."""

from collections.abc import Iterable

import click

from hubops.cli import running
from hubops.cli.writing import write
from hubops.clients.git import Git
from hubops.desired.model import Fleet, Hub
from hubops.errors import RefusedError
from hubops.scaffold.changes import Changes
from hubops.scaffold.hub_files import removed_files


def remove_files(fleet: Fleet, hub: Hub) -> None:
    """Take away the files that are the hub's alone, and say what stays.

    Raises:
        RefusedError: no commit has them as they are.
        RepositoryError: what is left would be wrong, as where the hub proves another.
    """
    files = removed_files(fleet, hub)
    running.run(_require_committed(fleet, list(files)))
    write(fleet, Changes(fleet.root, files), [hub.name])
    click.echo(_stays(hub, files))


async def _require_committed(fleet: Fleet, names: list[str]) -> None:
    """Refuse to take away what no commit has: nobody could bring it back.

    Raises:
        RefusedError: names the files.
    """
    lost = await Git(fleet.root).find_uncommitted(names)
    if lost:
        raise RefusedError(
            "these files would be lost",
            where=str(fleet.root),
            why="no commit has them as they are:\n" + "\n".join(lost),
            hint="Nothing was removed. Commit them first, or remove them by hand.",
        )


def _stays(hub: Hub, gone: Iterable[str]) -> str:
    places = sorted({"/".join(name.split("/")[:2]) for name in gone})
    return f"""
Nothing live was removed. On the cluster {hub.cluster.name} the release {hub.release} goes on in namespace {hub.namespace},
with its people's homes and its database, and no deploy touches it any more.
To have the files back: git restore {" ".join(places)}"""
