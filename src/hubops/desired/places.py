"""Where in a hub's files a value stands that it is deployed with."""

from collections.abc import Iterator

from hubops.desired.model import Hub
from hubops.desired.values import JUPYTERHUB
from hubops.desired.yaml import Document, Path


def place_of(hub: Hub, path: Path) -> str:
    """The topmost place that sets a value, or the nearest thing around it.

    What no file says (an absent key, what hubops adds) would stand in the hub's own values.
    """
    top = 1 if hub.prefix else 0
    for length in range(len(path), top, -1):
        if place := written_place(hub, path[:length]):
            return place
    return own_values(hub).place(*path[:top])


def written_place(hub: Hub, path: Path) -> str:
    """The topmost place that sets just this value, empty where no file does."""
    found = (document.places.get(mine, "") for document, mine in _written(hub, path))
    return next(filter(None, found), "")


def own_values(hub: Hub) -> Document:
    """The hub's own values.yaml, which lies above the shared layers."""
    return hub.documents[len(hub.layers)]


def _written(hub: Hub, path: Path) -> Iterator[tuple[Document, Path]]:
    """The documents from the top, each with the ways it can write the path: shared ones say jupyterhub."""
    own = own_values(hub)
    inner = path[1:] if hub.prefix else path
    for document in reversed(hub.documents):
        yield document, path
        if document is not own and path[:1] == ((hub.prefix,) if hub.prefix else path[:1]):
            yield document, (JUPYTERHUB, *inner)
