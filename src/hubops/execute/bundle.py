"""What a hub is deployed from: its chart and plain values in one directory, packed to be brought back later."""

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hubops import digest
from hubops.desired.model import Hub, ImageReference, Values
from hubops.execute.chart_copy import copy_chart
from hubops.state.model import Content

_DIGITS = 40


@dataclass(frozen=True)
class Bundle:
    """A chart in a directory of its own, for helm; `complete` when its dependencies are in it already."""

    directory: Path
    chart: Path
    content: Content
    complete: bool = False


def make_bundle(
    root: Path, hub: Hub, values: Values, images: Mapping[str, ImageReference], directory: Path
) -> Bundle:
    """Copy the hub's chart and those it depends on below `directory`, and tell what its content is.

    `root` is the repository, `values` all plain values of the hub but its people, `images` those among
    them that hubops builds, `directory` a new one of this run.

    Raises:
        RepositoryError: Chart.yaml is wrong.
    """
    chart = lay_chart(root, hub, directory)
    dependencies = _dependencies(chart)
    # Not Chart.lock, which says when it was generated: what it pins is among the dependencies.
    kept = [
        path for path in chart.rglob("*") if path.name != "Chart.lock" and not is_fetched(path, dependencies)
    ]
    within = _files(chart, (path for path in kept if path.is_relative_to(chart / "charts")))
    outside = _files_outside(directory, chart)
    below = digest.of_parts([json.dumps(dependencies, sort_keys=True), *outside, *within])
    shared = digest.of_parts(json.dumps(layer, sort_keys=True) for layer in hub.layers[:1])
    own = _files(chart, kept)
    # The shared layers count even where a hub's own values hide a change of them: others wait for its proof.
    key = digest.of_parts([below, shared, json.dumps(values, sort_keys=True), *own])[:_DIGITS]
    pinned = {name: str(image) for name, image in images.items()}
    content = Content(key, pinned, below, _name(dependencies), shared, values, hub.prefix)
    return Bundle(directory, chart, content)


def lay_chart(root: Path, hub: Hub, directory: Path) -> Path:
    """Copy the hub's chart and those it depends on below `directory`, without values: they are handed to helm.

    Raises:
        RepositoryError: Chart.yaml is wrong.
    """
    chart = copy_chart(root, hub.directory, directory)
    # All of it is among the values, with what hubops resolves; helm would merge the raw file below them.
    (chart / "values.yaml").write_text("{}\n")
    return chart


def pack(bundle: Bundle) -> bytes:
    """The chart with its dependencies as a ZIP archive; the same bytes for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(path for path in bundle.chart.rglob("*") if path.is_file()):
            # Their time is the oldest that ZIP knows.
            info = zipfile.ZipInfo(path.relative_to(bundle.chart).as_posix())
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def unpack(packed: bytes, content: Content, directory: Path) -> Bundle:
    """The chart of a record, ready for helm, in `directory`; no name in it leads out of there."""
    chart = directory / "chart"
    chart.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(chart)
    return Bundle(directory, chart, content, complete=True)


def _dependencies(chart: Path) -> list[dict[str, Any]]:
    """What Chart.lock pins, or what Chart.yaml asks for where there is no lock."""
    for name in ("Chart.lock", "Chart.yaml"):
        file = chart / name
        if file.is_file() and (found := (yaml.safe_load(file.read_bytes()) or {}).get("dependencies")):
            return list(found)
    return []


def is_fetched(path: Path, dependencies: Iterable[Mapping[str, Any]]) -> bool:
    """Whether helm replaces it by what it fetches: somebody's `helm dependency build` left it in the clone."""
    names = [re.escape(str(each.get("name"))) for each in dependencies if each.get("repository")]
    return any(re.fullmatch(rf"{name}-v?\d.*\.tgz", path.name) for name in names)


def _name(dependencies: list[dict[str, Any]]) -> str:
    return ", ".join(f"{each.get('name')} {each.get('version')}" for each in dependencies)


def _files_outside(directory: Path, chart: Path) -> Iterator[str]:
    return _files(directory, (path for path in directory.rglob("*") if not path.is_relative_to(chart)))


def _files(root: Path, paths: Iterable[Path]) -> Iterator[str]:
    for path in sorted(paths):
        if path.is_file():
            yield from (path.relative_to(root).as_posix(), digest.of_file(path))
