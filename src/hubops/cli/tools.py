"""hubops tools: the pinned tools, and where each comes from."""

import json

import click

from hubops.cli import running
from hubops.cli.progress import progress
from hubops.events import Emit
from hubops.local.toolchain import find_tool, provide
from hubops.local.tools import TOOLS


@click.command()
@click.option(
    "--install", "names", multiple=True, type=click.Choice(sorted(TOOLS)), help="Make this tool ready."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(names: tuple[str, ...], form: str) -> None:
    """List the pinned tools: version, origin, path."""
    with progress() as emit:
        rows = running.run(_rows(names, emit))
    if form == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:12} {row['version']:10} {row['origin']:18} {row['path']}")


async def _rows(names: tuple[str, ...], emit: Emit) -> list[dict[str, str]]:
    for name in names:
        await provide(TOOLS[name], emit)
    rows = []
    for tool in TOOLS.values():
        found = await find_tool(tool)
        origin, path = (found.origin, str(found.program)) if found else ("made when needed", "")
        rows.append({"name": tool.name, "version": tool.version, "origin": origin, "path": path})
    return rows
