"""What `helm template` says against a hub, taken apart."""

import re
from dataclasses import dataclass

from hubops.desired.model import Hub
from hubops.desired.places import written_place

_SAID = re.compile(r"^Error: (.*?)(?:\n\nUse --debug|\Z)", re.MULTILINE | re.DOTALL)
# Helm says "template: NAME:3:5: executing "NAME" at <.Values.x>: why", often one within another; of what a
# template says by `fail` "execution error at (NAME:3:5)"; and also "parse error at (NAME:3)", "YAML parse error on NAME".
_AT = re.compile(
    r"(?:template: |error at \(|parse error on )(?P<name>[^\s:()]+)(?::(?P<line>\d+))?(?::\d+)?\)?: "
    r'(?:executing ".*?" at <(?P<expression>.*?)>: )?'
)
_VALUE = re.compile(r"\.Values((?:\.\w+)+)")


@dataclass(frozen=True)
class HelmError:
    """What helm says in the end, in which template (empty where in none) and line (0 where none), and at what in it."""

    said: str
    template: str = ""
    line: int = 0
    expression: str = ""


def parse_error(message: str) -> HelmError:
    """The innermost of templates that include one another is the one that is told."""
    match = _SAID.search(message)
    said = (match[1] if match else message).strip()
    found = [*_AT.finditer(said)]
    if not found:
        return HelmError(said)
    last = found[-1]
    return HelmError(said[last.end() :], last["name"], int(last["line"] or 0), last["expression"] or "")


def place_of_value(hub: Hub, error: HelmError) -> str:
    """Where the value that a template stumbled over is set, or the nearest around it; empty where no file does."""
    below = _keys_above(error.template)
    for match in _VALUE.finditer(error.expression):
        path = (*below, *match[1].removeprefix(".").split("."))
        for length in range(len(path), len(below), -1):
            if place := written_place(hub, path[:length]):
                return place
    return ""


def _keys_above(template: str) -> list[str]:
    """The keys under which the chart of a template gets its values: of hub/charts/a/charts/b/templates/x.yaml a and b."""
    parts, keys = template.split("/")[1:], []
    while parts[:1] == ["charts"]:
        keys.append(parts[1])
        parts = parts[2:]
    return keys
