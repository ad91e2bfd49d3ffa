"""hubops verify: prove that people can work on a hub as it runs now."""

import json
from dataclasses import asdict

import click

from hubops import run
from hubops.checks.proof_model import Proof
from hubops.cli import running
from hubops.cli.machine import load_machine, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.errors import RefusedError
from hubops.events import Emit
from hubops.run.verify import verify_hub
from hubops.secret import Redactor


@click.command()
@click.argument("hub")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(hub: str, form: str) -> None:
    """Prove that a person can get a server on HUB and run a notebook; everything is removed afterwards."""
    fleet = load_fleet(project())
    redactor = Redactor()
    wanted = fleet.require_hub(hub)
    if wanted.disabled:
        hint = f"Let it run again: hubops enable {hub}; then deploy it."
        raise RefusedError(
            f"{hub} is disabled", where=f"hub-charts/{hub}/hub.yaml", why=wanted.disabled, hint=hint
        )
    with progress(redactor) as emit:
        proof = running.run(_verify(fleet, wanted, emit, redactor))
    click.echo(json.dumps(asdict(proof)) if form == "json" else format_proof(hub, proof))


async def _verify(fleet: Fleet, hub: Hub, emit: Emit, redactor: Redactor) -> Proof:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        return await verify_hub(hub, session)


def format_proof(hub: str, proof: Proof) -> str:
    """One line: what was proved, and how long a person waits."""
    return (
        f"{hub}: proved with JupyterHub {proof.hub_version}: server in {proof.server_started_s:.1f} s, "
        f"{proof.cells} cells in {proof.cells_s:.1f} s"
    )
