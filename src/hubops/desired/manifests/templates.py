"""The template that something was rendered from, and the line in it."""

import re
from dataclasses import dataclass
from typing import Any

from hubops.desired.charts import Charts
from hubops.desired.dependency_check import key_of
from hubops.desired.model import Hub
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError

_PACKED = ".tgz"


@dataclass(frozen=True)
class Template:
    """A template: `place` is its file in the repository, or the line of Chart.yaml that names the chart it is packed in."""

    place: str
    title: str
    text: str = ""
    packed: bool = False

    def where(self, line: int = 0) -> str:
        """The line, where it is a file of the repository."""
        return f"{self.place}:{line}" if line and not self.packed else self.place


def find_template(hub: Hub, charts: Charts, name: str) -> Template:
    """A template by the name that helm has for it: hub/charts/jupyterhub/templates/hub/service.yaml.

    What is in no template is about Chart.yaml.
    """
    if not name:
        return Template(hub.chart.file, hub.chart.file)
    _, _, inner = name.partition("/")
    below, _, rest = inner.removeprefix("charts/").partition("/")
    if inner.startswith("charts/"):
        for number, dependency in enumerate(hub.chart.value["dependencies"]):
            if key_of(dependency) == below and (found := _of_dependency(hub, charts, number, rest)):
                return found
    file = f"hub-charts/{hub.name}/{inner}"
    return Template(file, file, _text(charts.own(hub).read(inner)))


def _of_dependency(hub: Hub, charts: Charts, number: int, inner: str) -> Template | None:
    try:
        chart = charts.find(hub, hub.chart.value["dependencies"][number])
        text = _text(chart.read(inner)) if chart else ""
    except RepositoryError:
        return None
    if chart is None:
        return None
    if chart.path.suffix == _PACKED:
        place = hub.chart.place("dependencies", number, "version")
        return Template(place, f"{inner} of the {chart}", text, packed=True)
    return Template(f"{chart.path}/{inner}", f"{chart.path}/{inner}", text)


def line_of(template: Template, path: Path, value: Any) -> int:
    """The line of a template that writes a value, or the nearest around it, 0 where that cannot be told from others."""
    keys = [part for part in path if isinstance(part, str)]
    text = str(value) if isinstance(value, str | int) else ""
    for key in reversed(keys):
        written = re.compile(rf"(?<![\w./-]){re.escape(key)}[\"']?:(?!\S)(.*)")
        lines = {
            n: m[1] for n, line in enumerate(template.text.splitlines(), 1) if (m := written.search(line))
        }
        found = [number for number, rest in lines.items() if text and text in rest] or [*lines]
        if len(found) == 1:
            return found[0]
        text = ""
    return 0


def line_with(template: Template, text: str) -> int:
    """The one line of a template that is the same as a line of what was rendered, 0 where there is none."""
    same = [
        n
        for n, line in enumerate(template.text.splitlines(), 1)
        if text.strip() and line.strip() == text.strip()
    ]
    return same[0] if len(same) == 1 else 0


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
