"""The hubops command: subcommands are imported when they are called, so that --help is instant."""

import importlib
import sys

import click

from hubops import __version__
from hubops.errors import HubopsError

_COMMANDS = {
    "check": ("hubops.cli.check", "Say everything that is wrong in the repository; offline."),
    "deploy.py": ("hubops.cli.deploy_py", "The original command line: one hub."),
    "local": ("hubops.cli.local", "The local cluster: up, down, status."),
    "start": ("hubops.cli.start", "From a bare machine to a hub one can log in to."),
    "tools": ("hubops.cli.tools", "The pinned tools, and where each comes from."),
    "verify": ("hubops.cli.verify", "Prove that a person can log in and run a notebook."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Show every line that programs print.")
def hubops(verbose: bool) -> None:  # noqa: FBT001 - read by cli/progress.py
    """Deploy and operate JupyterHubs from one git repository."""


def show_error(error: HubopsError) -> None:
    """Print an expected failure: what, then where, why and what next, each on its own."""
    first, *rest = format_error(error).split("\n")
    click.secho(first, fg="red", err=True)
    for line in rest:
        click.echo(line, err=True)


def format_error(error: HubopsError) -> str:
    """What, then where, why and what next, each on its own line or lines."""
    parts = (("where", error.where), ("why", error.why), ("next", error.hint))
    lines = [f"  {label}: " + text.replace("\n", "\n    ") for label, text in parts if text]
    return "\n".join([f"error: {error.what}", *lines])


def main() -> None:
    """Run the command line; expected failures become a message and their exit code."""
    try:
        hubops(prog_name="python" if sys.argv[1:2] == ["deploy.py"] else "hubops")
    except HubopsError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except ExceptionGroup as group:
        # Tasks that ran side by side: the expected failure is the one to tell.
        expected, rest = group.split(HubopsError)
        if rest is not None or expected is None:
            raise
        failures = _flat(expected)
        for failure in failures:
            show_error(failure)
        sys.exit(max(failure.exit_code for failure in failures))


def _flat(group: ExceptionGroup[HubopsError]) -> list[HubopsError]:
    found: list[HubopsError] = []
    for error in group.exceptions:
        found += _flat(error) if isinstance(error, ExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    main()
