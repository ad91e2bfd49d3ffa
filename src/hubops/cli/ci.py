"""hubops ci: what each kind of CI run does, in one command each."""

import os

import click

from hubops.cli.ci_credentials import drop_credentials, unpacked_credentials
from hubops.cli.lazy import LazyGroup

_COMMANDS = {
    "merge": ("hubops.cli.ci_merge", "Build, push, deploy and verify what was merged."),
    "pull-request": ("hubops.cli.ci_pull_request", "All that can be known of a change without a secret."),
    "render": ("hubops.cli.ci_render", "Write the files that make a CI system call these commands."),
}


@click.group(cls=LazyGroup, commands_by_name=_COMMANDS)
@click.pass_context
def command(context: click.Context) -> None:
    """Run as CI does."""
    if context.invoked_subcommand == "merge":
        context.with_resource(unpacked_credentials(os.environ))
    else:
        drop_credentials(os.environ)
