"""The copy of a hub's chart that one run works in, so that the operator's tree stays clean."""

import shutil
from pathlib import Path

import yaml

from hubops.errors import RepositoryError

_LEFT_BEHIND = shutil.ignore_patterns("tmpcharts*", "__pycache__")
# hubops' own: what they say reaches helm as values, and people are no part of a chart.
_OURS = {"people.yaml", "hub.yaml"}


def copy_chart(root: Path, chart: Path, target: Path) -> Path:
    """Copy the chart, and each chart of the repository it depends on, to the same places below `target`.

    So a `file://../../charts/jupyterhub` leads to the copy, and Chart.lock still fits. What lies in the
    chart's own charts/ directory is copied with it. An absolute file:/// is left to helm.

    Raises:
        RepositoryError: Chart.yaml is wrong, or a file:// dependency is not there or outside the repository.
    """
    copied: set[Path] = set()
    _copy(root.resolve(), chart.resolve(), target, copied)
    return target / chart.resolve().relative_to(root.resolve())


def _copy(root: Path, chart: Path, target: Path, copied: set[Path]) -> None:
    if chart in copied:
        return
    copied.add(chart)

    def ignored(directory: str, names: list[str]) -> set[str]:
        return _LEFT_BEHIND(directory, names) | (_OURS & set(names) if Path(directory) == chart else set())

    shutil.copytree(chart, target / chart.relative_to(root), ignore=ignored, dirs_exist_ok=True)
    file = chart / "Chart.yaml"
    for relative in _relative_dependencies(file, str(file.relative_to(root))):
        source = (chart / relative).resolve()
        if not (source / "Chart.yaml").is_file() or not source.is_relative_to(root):
            raise RepositoryError(
                f"the dependency file://{relative} is no chart of this repository",
                where=str(file.relative_to(root)),
                hint="Correct the path; a chart elsewhere on this machine needs file:/// and its whole path.",
            )
        _copy(root, source, target, copied)


def _relative_dependencies(file: Path, where: str) -> list[str]:
    try:
        chart = yaml.safe_load(file.read_bytes())
        addresses = [str(each.get("repository") or "") for each in chart.get("dependencies") or []]
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise RepositoryError("this is not a chart's Chart.yaml", where=where, why=str(error)) from error
    paths = [address.removeprefix("file://") for address in addresses if address.startswith("file://")]
    return [path for path in paths if not path.startswith("/")]
