"""Deleting images, and writing down since when nobody needs which."""

import json

from hubops.clients.kube import Kube, is_status
from hubops.clients.registry import Registry
from hubops.errors import ClusterError
from hubops.events import Emit, step
from hubops.plan.prune_model import Spare
from hubops.state.image_model import MARKS, Marks

_CONFLICT = 409


async def delete_image(spare: Spare, registry: Registry, emit: Emit) -> None:
    """Delete an image with all its tags, and then what was in it alone; content when it is gone.

    Raises:
        OutOfReachError: nobody can tell whether it is deleted.
        RegistryError: the registry deletes nothing.
    """
    name = spare.repository.rpartition("/")[2]
    with step(emit, f"delete image {name} {' '.join(spare.tags)}"):
        for digest in (spare.digest, *spare.children):
            await registry.delete(spare.repository, digest)


async def write_marks(kube: Kube, marks: Marks) -> None:
    """Write down since when images are spare, in place of what was.

    Raises:
        OutOfReachError, ClusterError: it cannot be written.
    """
    collection, _, name = MARKS.rpartition("/")
    data = {"marks": json.dumps({image: since.isoformat() for image, since in sorted(marks.items())})}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    try:
        await kube.create(collection, body)
    except ClusterError as error:
        if not is_status(error, _CONFLICT):
            raise
        await kube.patch(MARKS, {"data": data})
