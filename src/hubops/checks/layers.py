"""An image's layers and user, from the two documents that describe it (OCI image specification). Pure."""

from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from typing import Any

from hubops.checks.trial_model import Layer

Json = Mapping[str, Any]
# So BuildKit marks what it adds at the end of a history that is shorter than the layers.
_FILLED = "buildkit.exporter.image.v0"


def read_layers(manifest: Json, config: Json) -> tuple[Layer, ...]:
    """The layers in order, each with the step that made it, "" where nobody wrote it down.

    Raises:
        LookupError, TypeError, ValueError: these are no such documents.
    """
    steps = [
        str(step.get("created_by", ""))
        for step in config.get("history", ())
        if not step.get("empty_layer") and step.get("comment") != _FILLED
    ]
    # A base may come without its history; then it is the first layers that have none.
    last_first = zip(reversed(manifest["layers"]), chain(reversed(steps), repeat("")), strict=False)
    layers = [Layer(str(one["digest"]), int(one["size"]), step) for one, step in last_first]
    return tuple(reversed(layers))


def find_user_notes(config: Json) -> Iterator[str]:
    """What is unfortunate about the name of the image's user."""
    user = str(config.get("config", {}).get("User", "")).partition(":")[0]
    if user and not user.isdecimal():
        yield (
            f"USER {user} is no number: where a hub's values leave singleuser.uid empty, Kubernetes cannot tell"
            " that it is not root, and starts nothing"
        )
