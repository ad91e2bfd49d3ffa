"""hubops ci: what each kind of CI run does, in one command each."""

import click

from hubops.cli.lazy import LazyGroup

_COMMANDS = {
    "merge": ("hubops.cli.ci_merge", "Build, push, deploy and verify what was merged."),
}


@click.group(cls=LazyGroup, commands_by_name=_COMMANDS)
def command() -> None:
    """Run as CI does."""
