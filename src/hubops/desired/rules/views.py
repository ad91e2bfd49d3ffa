"""What rules look at: one hub with the values it would get, or the whole fleet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hubops.desired.chart_values import for_dependency
from hubops.desired.charts import LOCAL, Chart, Charts
from hubops.desired.dependency_check import key_of
from hubops.desired.dockerfile import Instruction, parse_dockerfile
from hubops.desired.files import Files, SecretFile
from hubops.desired.image_check import used_images
from hubops.desired.model import Fleet, Hub, Image, InGit, Values
from hubops.desired.places import place_of
from hubops.desired.rules.model import Rule
from hubops.desired.values import JUPYTERHUB, find_value, path_below
from hubops.desired.values_check import Given, check_values, deployed_values
from hubops.errors import RepositoryError


@dataclass(frozen=True)
class HubView:
    """A hub whose files could be read; `note` is told what could not be looked at."""

    fleet: Fleet
    hub: Hub
    charts: Charts
    secrets: SecretFile | None
    note: Callable[[str], None]

    @cached_property
    def given(self) -> Given | RepositoryError:
        """What the hub's charts are given; an error where an image is set twice."""
        try:
            return Given(self.hub, deployed_values(self.hub, self.secrets), self.secrets)
        except RepositoryError as error:
            return error

    @cached_property
    def value_errors(self) -> list[RepositoryError]:
        """What the charts have against the values, of several rules."""
        if isinstance(self.given, RepositoryError):
            return [self.given]
        return list(check_values(self.given, self.charts, self.note))

    @cached_property
    def dependency(self) -> Values | None:
        """JupyterHub's chart in Chart.yaml."""
        found = (each for each in self.hub.chart.value["dependencies"] if each["name"] == JUPYTERHUB)
        return next(found, None)

    @cached_property
    def chart(self) -> Chart | None:
        """JupyterHub's chart, where it is on disk."""
        try:
            return self.charts.find(self.hub, self.dependency) if self.dependency else None
        except RepositoryError:
            return None

    @cached_property
    def is_upstream(self) -> bool:
        """Whether JupyterHub's chart is another than the embedded one, which decides some things itself."""
        if not self.dependency:
            return False
        is_away = self.chart is None and not (self.dependency.get("repository") or "").startswith(LOCAL)
        return is_away or bool(self.chart and not self.chart.embedded)

    @cached_property
    def values(self) -> Values:
        """The values of JupyterHub's chart, with its defaults where it is on disk."""
        if isinstance(self.given, RepositoryError):
            return {}
        if not self.dependency:
            return self.given.values
        defaults = self.chart.values if self.chart else {}
        return for_dependency(self.given.values, key_of(self.dependency), defaults)

    def at(self, *path: str) -> Any:
        """A value of JupyterHub's chart; None where there is none."""
        return find_value(self.values, path)

    def place(self, *path: str | int) -> str:
        """Where a value of JupyterHub's chart is set."""
        return place_of(self.hub, path_below(self.hub, path))


@dataclass(frozen=True)
class FleetView:
    """All hubs. `in_git` is what git was asked, which may be nothing; `rules` are all by name."""

    fleet: Fleet
    files: Files
    in_git: InGit
    rules: Mapping[str, Rule[Any]]

    @cached_property
    def hubs(self) -> list[Hub]:
        """Those whose hub.yaml could be read."""
        return [hub for hub in self.fleet.hubs.values() if hub.settings.file not in self.files.wrong]

    @cached_property
    def used_images(self) -> dict[str, list[str]]:
        """The images that each hub needs."""
        return {hub.name: used_images(hub) for hub in self.fleet.hubs.values()}

    @cached_property
    def dockerfiles(self) -> dict[str, list[Instruction]]:
        """Every Dockerfile by its path."""
        names = [self.file_of(image, "Dockerfile") for image in self.fleet.images.values()]
        return {name: parse_dockerfile(self.files.text(name)) for name in names}

    def file_of(self, image: Image, name: str) -> str:
        """The path of a file beside an image's Dockerfile, or of that."""
        return f"{image.directory.relative_to(self.fleet.root).as_posix()}/{name}"
