"""hubops secrets: the encrypted files, and who can open them."""

import click

from hubops.cli.lazy import LazyGroup

_COMMANDS = {
    "add-person": ("hubops.cli.secrets_people:add_person", "Let somebody open the secrets."),
    "check": ("hubops.cli.secrets_check", "Open each file, and say who can."),
    "edit": ("hubops.cli.secrets_edit", "Change a hub's secrets in $EDITOR."),
    "new": ("hubops.cli.secrets_new", "Make a hub's secrets, encrypted."),
    "offboard": ("hubops.cli.secrets_people:offboard", "Take somebody out, and say what is left to do."),
    "rotate": ("hubops.cli.secrets_rotate", "New values for what hubops generates."),
}


@click.group(cls=LazyGroup, commands_by_name=_COMMANDS)
def command() -> None:
    """Make, change and pass on secrets. Only files are written; commit them as any other change."""
