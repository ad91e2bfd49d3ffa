"""A rule about files that nobody reads: who edits one changes nothing, and is not told."""

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
_SHARED = ("organisation.yaml", "local.yaml")


def dead_file(view: FleetView) -> Iterator[RepositoryError]:
    """In the directories that hubops reads; text for people and names that begin with a dot may lie anywhere."""
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
    yield from _dead(view, "secrets/", [f"{name}.yaml" for name in (*view.fleet.hubs, *of_builds)])
    # A directory that a hub names is missing its Dockerfile, which another rule tells.
    images = {*view.fleet.images, *(name for names in view.used_images.values() for name in names)}
    shared = {path.name for image in view.fleet.images.values() for path in image.shared.values()}
    yield from _dead(view, "user-images/", [*(f"{name}/" for name in images | shared), "bases.lock"])


def _dead(view: FleetView, directory: str, known: Iterable[str]) -> Iterator[RepositoryError]:
    known = [*known]
    for name in view.files.entries(directory):
        if name in known or name.lower().endswith((".md", ".txt", ".rst", "license")):
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
