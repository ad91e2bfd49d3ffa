"""hubops local: the local cluster. Takes no hub name and touches no other cluster."""

import json

import click

from hubops.cli import running
from hubops.cli.progress import progress
from hubops.local import up as local_up
from hubops.local.instance import DEFAULT_NAME, INSTANCE_VARIABLE, load_instance

_name = click.option(
    "--name",
    default=DEFAULT_NAME,
    envvar=INSTANCE_VARIABLE,
    show_default=True,
    help="Which of several local clusters.",
)


@click.group(help="The local cluster: a real Kubernetes on this machine.")
def command() -> None:
    pass


@command.command()
@_name
@click.option("--port", type=int, help="Port of the hubs' address, when the cluster is new. [default: 8080]")
@click.option(
    "--registry-port", type=int, help="Port of its registry, when the cluster is new. [default: 5001]"
)
@click.option("--node-image", default="", help="A node image to pull by digest, instead of building one.")
def up(name: str, port: int | None, registry_port: int | None, node_image: str) -> None:
    """Bring the cluster and its registry up, from whatever state they are in."""
    instance = load_instance(name, edge_port=port, registry_port=registry_port)
    with progress() as emit:
        running.run(local_up.up(instance, emit, node_image))
    click.echo(f"export KUBECONFIG={instance.kubeconfig}")


@command.command()
@_name
@click.option("--delete-data", is_flag=True, help="Remove it all: homes, databases, pushed images.")
def down(name: str, delete_data: bool) -> None:  # noqa: FBT001 - click's way
    """Stop the cluster and its registry. `up` brings everything back."""
    with progress() as emit:
        running.run(local_up.down(load_instance(name), emit, delete_data=delete_data))


@command.command()
@_name
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def status(name: str, form: str) -> None:
    """Say what runs."""
    states = running.run(local_up.status(load_instance(name)))
    if form == "json":
        click.echo(json.dumps(states))
        return
    for part, state in states.items():
        click.echo(f"{part:10} {state}")
