"""An operator's own repository, as `hubops init` makes it."""

from pathlib import Path

from hubops.scaffold.changes import read_tree
from hubops.scaffold.hub_files import ChartPin, NewHub, hub_files

STAGING = "staginghub"
IMAGE = "notebook"
# Of the tool's own: the chart of hubs that name no other, its images, and that of the local cluster's address.
_BROUGHT = ("charts/jupyterhub", "images/hub", "images/proxy", "images/edge")


def repository_files(project: Path, version: str, registry: str, chart: ChartPin) -> dict[str, bytes]:
    """Every file but those of CI; one hub, for staging, on the local cluster.

    `project` is where the tool's own charts and images lie, `version` the tool's.
    """
    written = {
        name: content.replace(b"@VERSION@", version.encode()).replace(b"@REGISTRY@", registry.encode())
        for name, content in templates().items()
    }
    hub = NewHub(
        STAGING,
        stage="staging",
        image=IMAGE,
        values={"singleuser": {"memory": {"limit": "2G"}}},
        admins=("teacher",),
        allowed=("student",),
    )
    trees = [*(read_tree(project / name, f"{name}/") for name in _BROUGHT), hub_files(hub, chart)]
    return {**written, **{name: content for tree in trees for name, content in tree.items()}}


def image_files(name: str) -> dict[str, bytes]:
    """A user image to begin with."""
    below = f"user-images/{IMAGE}/"
    found = {path: content for path, content in templates().items() if path.startswith(below)}
    return {path.replace(below, f"user-images/{name}/"): content for path, content in found.items()}


def templates() -> dict[str, bytes]:
    """The files that lie in scaffold/repository/ as they are to lie in the operator's."""
    return read_tree(Path(__file__).parent / "repository", "")
