"""A rule about files that nobody reads: who edits one changes nothing, and is not told."""

import re
from collections.abc import Iterable, Iterator

from hubops.desired.repository import STAGES
from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import FleetView
from hubops.desired.secret_files import IMAGES
from hubops.desired.settings import SETTINGS
from hubops.errors import RepositoryError
from hubops.names import did_you_mean, nearest

_OF_HUB = ("Chart.yaml", "Chart.lock", "hub.yaml", "people.yaml", "values.yaml", "values.schema.json")
_OF_CHART = ("templates/", "charts/", "crds/")
# What is for people, and what may lie beside secrets.
_TEXTS, _README = re.compile(r"(?i).*(\.md|\.txt|\.rst|license)"), re.compile(r"(?i)readme.*")
# Directories at the top that may look as if hubops read hubs there, and the one that it reads.
_OF_HUBS, _READ = re.compile(r"(?i).*(hub|config).*/"), ("hub-charts/",)
_SHARED = ("organisation.yaml", "local.yaml")


def dead_file(view: FleetView) -> Iterator[RepositoryError]:
    """Text for people and names that begin with a dot may lie anywhere."""
    yield from _beside(view)
    yield from _dead(view, "hub-charts/", [f"{name}/" for name in view.fleet.hubs])
    for hub in view.fleet.hubs:
        directory = f"hub-charts/{hub}/"
        # The templates of a chart of one's own may read any file beside them.
        if "templates/" not in view.files.entries(directory):
            yield from _dead(view, directory, (*_OF_HUB, *_OF_CHART))
    yield from _dead(view, "values/", (*_SHARED, "clusters/", "stages/"))
    yield from _dead(view, "values/stages/", [f"{stage}.yaml" for stage in STAGES])
    if SETTINGS not in view.files.wrong:
        clusters = view.fleet.settings.value.get("clusters", {})
        yield from _dead(view, "values/clusters/", [f"{name}.yaml" for name in clusters])
    of_builds = [IMAGES] if any(image.secrets for image in view.fleet.images.values()) else []
    # A text here is a password more often than it is for people.
    yield from _dead(view, "secrets/", [f"{name}.yaml" for name in (*view.fleet.hubs, *of_builds)], _README)
    # A directory that a hub names is missing its Dockerfile, which another rule tells.
    images = {*view.fleet.images, *(name for names in view.used_images.values() for name in names)}
    shared = {path.name for image in view.fleet.images.values() for path in image.shared.values()}
    yield from _dead(view, "user-images/", [*(f"{name}/" for name in images | shared), "bases.lock"])


def _beside(view: FleetView) -> Iterator[RepositoryError]:
    """Files of hubs in another directory that is called after them: a layout that other tools read."""
    for directory in view.files.entries(""):
        if directory in _READ or not _OF_HUBS.fullmatch(directory):
            continue
        for name in view.files.entries(directory):
            hub, _, ending = name.rpartition(".")
            if hub in view.fleet.hubs and ending in {"yaml", "yml"}:
                yield RepositoryError(
                    f"nothing reads {directory}{name}",
                    where=f"{directory}{name}",
                    why=f"the values of {hub} are those in hub-charts/{hub}/",
                    hint=f"Move what is in it to hub-charts/{hub}/values.yaml.",
                    hubs=(hub,),
                )


def _dead(
    view: FleetView, directory: str, known: Iterable[str], texts: re.Pattern[str] = _TEXTS
) -> Iterator[RepositoryError]:
    known = [*known]
    for name in view.files.entries(directory):
        if name in known or texts.fullmatch(name):
            continue
        near = nearest(name.rstrip("/"), [each.rstrip("/") for each in known])
        yield RepositoryError(
            f"nothing reads {directory}{name}",
            where=f"{directory}{name}".rstrip("/"),
            why="a change in it would do nothing"
            if name[-1] != "/"
            else "it has no Dockerfile, or no place here",
            hint=did_you_mean(near, [near]) if near else "Remove it.",
        )


RULES = (Rule("dead-file", "Nothing reads a file, or a directory.", dead_file),)
