"""The charts that hubs depend on, as they lie on disk: unpacked, packed, or in the repository."""

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubops.desired.model import Hub, Values
from hubops.desired.schema import Rules
from hubops.desired.yaml import parse_yaml
from hubops.errors import RepositoryError

LOCAL = "file://"
_SCHEMA = "values.schema.json"
# In Chart.yaml of the chart that comes with hubops, which knows a part of upstream's keys.
_EMBEDDED = "hubops/embedded"
# Where a schema refuses unknown keys by a rule that fits nothing, whose words any validator shows. Ours tells more.
_UNKNOWN = {"$ref": "#/$defs/unknown"}
Open = Callable[[str], bytes]
"""Gives a file of the chart, empty where there is none."""


@dataclass(frozen=True)
class Chart:
    """What a chart takes: the defaults of its values, and the rules of its schema (None where it has none).

    `path` is where it lies, from the repository where it is in there, and `read` gives its files.
    `app_version` is the version of what it installs, "" where it does not say.
    """

    name: str
    version: str
    values: Values
    rules: Rules | None
    path: Path
    read: Open
    embedded: bool = False
    app_version: str = ""

    def __str__(self) -> str:
        return f"chart {self.name} {self.version}"


class Charts:
    """Finds charts; each is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._read: dict[Path, Chart] = {}

    def own(self, hub: Hub) -> Chart:
        """The hub's own chart, but for the values, which the hub has already.

        Raises:
            RepositoryError: its schema is none.
        """
        path, read = Path("hub-charts") / hub.name, _in_directory(hub.directory)
        rules = _rules(str(path / _SCHEMA), read(_SCHEMA))
        return Chart(hub.name, str(hub.chart.value.get("version", "")), {}, rules, path, read)

    def has_templates(self, hub: Hub) -> bool:
        """Whether the hub's own chart can read values itself."""
        return (hub.directory / "templates").is_dir()

    def find(self, hub: Hub, dependency: Values) -> Chart | None:
        """The chart of a dependency in the hub's Chart.yaml; None where it is not on disk.

        Raises:
            RepositoryError: it is damaged, or a file:// leads nowhere.
        """
        name, repository = dependency["name"], dependency.get("repository") or ""
        if repository.startswith(LOCAL):
            directory = (hub.directory / repository.removeprefix(LOCAL)).resolve()
            if not (directory / "Chart.yaml").is_file():
                raise RepositoryError(f"there is no chart at {repository}", hint="Correct the path.")
            return self._load(directory, _in_directory(directory))
        version = _locked(hub, name) or dependency.get("version", "")
        archive = hub.directory / "charts" / f"{name}-{version}.tgz"
        if archive.is_file():
            return self._load(
                archive, _in_archive(archive, f"hub-charts/{hub.name}/charts/{archive.name}", name)
            )
        directory = hub.directory / "charts" / name
        chart = self._load(directory, _in_directory(directory)) if directory.is_dir() else None
        return chart if chart and (not repository or chart.version == version) else None

    def _load(self, path: Path, read: Open) -> Chart:
        path = path.resolve()
        if path not in self._read:
            place = path.relative_to(self._root) if path.is_relative_to(self._root) else path
            self._read[path] = _chart(place, read)
        return self._read[path]


def _locked(hub: Hub, name: str) -> str:
    """The version that Chart.lock holds for a dependency."""
    locked = hub.lock.value.get("dependencies")
    found = [each for each in (locked if isinstance(locked, list) else []) if isinstance(each, dict)]
    return next((str(each.get("version")) for each in found if each.get("name") == name), "")


def _chart(path: Path, read: Open) -> Chart:
    about: Any = parse_yaml(read("Chart.yaml"), str(path / "Chart.yaml")).value or {}
    values: Any = parse_yaml(read("values.yaml"), str(path / "values.yaml")).value or {}
    if not isinstance(about, dict) or not isinstance(values, dict):
        raise RepositoryError(f"{path.name} is no chart", where=str(path))
    rules = _rules(str(path / _SCHEMA), read(_SCHEMA))
    embedded = _EMBEDDED in (about.get("annotations") or {})
    name, version = str(about.get("name", path.name)), str(about.get("version", ""))
    app_version = str(about.get("appVersion") or "")
    return Chart(name, version, values, rules, path, read, embedded, app_version)


def _closed(node: Values) -> Values:
    return node | {"additionalProperties": False} if node.get("additionalProperties") == _UNKNOWN else node


def _rules(where: str, text: bytes) -> Rules | None:
    try:
        return Rules(json.loads(text, object_hook=_closed)) if text else None
    except ValueError as error:
        raise RepositoryError("this is not a JSON Schema", where=where, why=str(error)) from error


def _in_directory(directory: Path) -> Open:
    def read(name: str) -> bytes:
        return (directory / name).read_bytes() if (directory / name).is_file() else b""

    return read


def _in_archive(archive: Path, where: str, chart: str) -> Open:
    def read(name: str) -> bytes:
        try:
            with tarfile.open(archive) as packed:
                member = packed.extractfile(f"{chart}/{name}")
                return member.read() if member else b""
        except KeyError:
            return b""
        except (tarfile.TarError, OSError, EOFError) as error:
            what, hint = f"{archive.name} is no packed chart", "Fetch it again: helm dependency build."
            raise RepositoryError(what, where=where, why=str(error), hint=hint) from error

    return read
