"""The copy of a hub's chart that one run works in, so that the operator's tree stays clean."""

import shutil
from pathlib import Path

import yaml

from hubops.errors import RepositoryError

_IGNORED = shutil.ignore_patterns("charts", "tmpcharts*", "__pycache__")


def copy_chart(root: Path, chart: Path, target: Path) -> Path:
    """Copy the chart, and each chart of the repository it depends on, to the same places below `target`.

    So a `file://../../charts/jupyterhub` leads to the copy, and Chart.lock still fits. A chart that lies
    packed in the hub's own charts/ directory is copied with it.

    Raises:
        RepositoryError: a file:// dependency is not there, or lies outside the repository.
    """
    copy = target / chart.relative_to(root)
    shutil.copytree(chart, copy, ignore=_IGNORED)
    for archive in chart.glob("charts/*.tgz"):
        (copy / "charts").mkdir(exist_ok=True)
        shutil.copyfile(archive, copy / "charts" / archive.name)
    for dependency in yaml.safe_load((chart / "Chart.yaml").read_text()).get("dependencies") or []:
        address = dependency.get("repository", "")
        if address.startswith("file://") and not address.startswith("file:///"):
            _copy_dependency(root, chart, target, address.removeprefix("file://"))
    return copy


def _copy_dependency(root: Path, chart: Path, target: Path, relative: str) -> None:
    source = (chart / relative).resolve()
    if not (source / "Chart.yaml").is_file() or not source.is_relative_to(root.resolve()):
        raise RepositoryError(
            f"the dependency file://{relative} is no chart of this repository",
            where=f"{chart.relative_to(root)}/Chart.yaml",
        )
    shutil.copytree(source, target / source.relative_to(root.resolve()), ignore=_IGNORED, dirs_exist_ok=True)
