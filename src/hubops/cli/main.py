"""The hubops command: subcommands are imported when they are called, so that --help is instant."""

import sys

import click

from hubops import __version__
from hubops.cli.lazy import LazyGroup
from hubops.errors import HubopsError

_COMMANDS = {
    "archive": ("hubops.cli.archive", "A hub's database and homes into a directory or bucket."),
    "build": ("hubops.cli.build", "The images of the repository."),
    "chart": ("hubops.cli.chart", "The chart of a hub: another version."),
    "check": ("hubops.cli.check", "Say everything that is wrong in the repository; offline."),
    "ci": ("hubops.cli.ci", "What each kind of CI run does."),
    "config": ("hubops.cli.config", "Each value that a hub's charts get, and the line that set it."),
    "deploy": ("hubops.cli.deploy", "Build, push, deploy and verify hubs."),
    "deploy.py": ("hubops.cli.deploy_py", "The original command line: one hub."),
    "disable": ("hubops.cli.disable", "Let a hub not run for a while; its data stays."),
    "enable": ("hubops.cli.disable:enable", "Let a disabled hub run again."),
    "images": ("hubops.cli.images", "The images of the registry: delete what nobody needs."),
    "history": ("hubops.cli.status:history", "The deploys of hubs, the newest first."),
    "init": ("hubops.cli.init", "Make a directory an operations repository."),
    "local": ("hubops.cli.local", "The local cluster: up, down, status."),
    "logs": ("hubops.cli.logs", "What a hub's own pods say."),
    "new": ("hubops.cli.new", "Add a hub: its files."),
    "plan": ("hubops.cli.plan", "What a deploy would do, and why."),
    "remove": ("hubops.cli.remove", "Take a hub and its data out of the cluster."),
    "restore": ("hubops.cli.restore", "A hub's database and homes out of an archive."),
    "schema": ("hubops.cli.schema", "The keys of hubops.yaml, hub.yaml and people.yaml, as JSON Schemas."),
    "secrets": ("hubops.cli.secrets", "Make, change and pass on secrets; who can open them."),
    "start": ("hubops.cli.start", "From a bare machine to a hub one can log in to."),
    "status": ("hubops.cli.status", "What runs where, since when, and what is held."),
    "tools": ("hubops.cli.tools", "The pinned tools, and where each comes from."),
    "user": ("hubops.cli.user", "The people of a hub: add, remove, list."),
    "verify": ("hubops.cli.verify", "Prove that a person can log in and run a notebook."),
}


@click.group(
    cls=LazyGroup, commands_by_name=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
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
