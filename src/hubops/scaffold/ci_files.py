"""The CI files of an operations repository: who may run `hubops ci pull-request` and `hubops ci merge`, and when.

What CI does is in these two commands; the files only call them. A rendered file begins with a line that
tells how it was made and a digest of the rest, so that an edit by hand is seen and never overwritten.
"""

import re
from dataclasses import dataclass

from hubops import digest
from hubops.errors import UsageError
from hubops.scaffold import ci_templates

FORGES = {
    "github": (".github/workflows/hubops.yml", ci_templates.GITHUB),
    "gitlab": (".gitlab-ci.yml", ci_templates.GITLAB),
    "travis": (".travis.yml", ci_templates.TRAVIS),
}
_PIPX = "pipx==1.18.4"
# A branch is a pattern on GitHub and part of an expression on GitLab; these characters mean themselves in all.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_HEADER = re.compile(
    r"# Rendered by: hubops ci render (?:github|gitlab|travis) "
    r"--branch (?P<branch>\S+)(?: --runner (?P<runner>\S+))? \(unedited: (?P<digest>[0-9a-f]{12})\)\n"
)


@dataclass(frozen=True)
class Program:
    """How a CI job calls hubops, and the shell line that makes this possible where it is not yet."""

    command: str
    setup: str = ""


# This project's own checkout brings its environment along.
CHECKOUT = Program("./hubops")


def pinned(version: str) -> Program:
    """The published package. GitHub's runners carry pipx, so no second action comes near the secrets."""
    return Program(f"pipx run --spec hubops=={version} hubops", f"pip install --quiet {_PIPX}")


@dataclass(frozen=True)
class Choice:
    """What one repository decides: the branch that is deployed; where merges run ("": on a hosted runner)."""

    branch: str = "main"
    runner: str = ""


def render(forge: str, program: Program, choice: Choice) -> str:
    """The text of a forge's CI file; its path is in `FORGES`.

    Raises:
        UsageError: the branch or the runner has characters that a forge would not take as they are.
    """
    for name in (choice.branch, choice.runner):
        if not _PLAIN.fullmatch(name or "hosted"):
            raise UsageError(
                f"{name!r} cannot stand in a CI file",
                why="only letters, digits and . _ / - mean themselves on every forge",
                hint="Give another --branch or --runner.",
            )
    options = f"--branch {choice.branch}" + (f" --runner {choice.runner}" if choice.runner else "")
    body = _fill(FORGES[forge][1], program, choice)
    return f"# Rendered by: hubops ci render {forge} {options} (unedited: {_short(body)})\n{body}"


def _fill(template: str, program: Program, choice: Choice) -> str:
    values = {
        "BRANCH": choice.branch,
        "COMMAND": program.command,
        "INSTALL": program.setup or "skip",
        "BEFORE": f'["{program.setup}"]' if program.setup else "[]",
        "RUNNER": choice.runner or "ubuntu-latest",
        "TAGS": f"[{choice.runner}]" if choice.runner else "[]",
    }
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], template)


def recorded_choice(text: str) -> Choice | None:
    """What a rendered file was rendered with; None for a file from elsewhere."""
    header = _HEADER.match(text)
    return Choice(header["branch"], header["runner"] or "") if header else None


def is_as_rendered(text: str) -> bool:
    """Whether a file is ours and nobody edited it since."""
    header = _HEADER.match(text)
    return header is not None and header["digest"] == _short(text[header.end() :])


def _short(body: str) -> str:
    return digest.of_parts([body])[:12]
