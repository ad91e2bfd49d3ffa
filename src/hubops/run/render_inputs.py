"""Which hubs helm may render, or `hubops check` judge, otherwise than at another commit."""

import tempfile
from pathlib import Path
from typing import Any

from hubops.desired.model import Fleet, Hub
from hubops.desired.values_check import deployed_values
from hubops.errors import RepositoryError
from hubops.execute.bundle import make_bundle


def may_render_otherwise(fleet: Fleet, before: Fleet | None, hub: Hub, *, same_content: bool = False) -> bool:
    """By all that decides manifests and their judgement; also where nobody knows what was `before`.

    People and images decide nothing, for helm is given stand-ins for them. Secrets are not looked at: `before` has none.
    With `same_content` it is known that a deploy would bring the same chart, which is slow to find out.
    """
    old = before.hubs.get(hub.name) if before else None
    if before is None or old is None:
        return True
    try:
        if _settings(fleet, hub) != _settings(before, old):
            return True
        return not same_content and _chart(fleet, hub) != _chart(before, old)
    except RepositoryError:  # what is wrong on one side only is another thing
        return True


def _settings(fleet: Fleet, hub: Hub) -> tuple[Any, ...]:
    switches = [document.value.get("check") for document in (fleet.settings, hub.settings)]
    return deployed_values(hub, None), hub.release, hub.namespace, hub.cluster, switches


def _chart(fleet: Fleet, hub: Hub) -> str:
    with tempfile.TemporaryDirectory(prefix="hubops-inputs-") as directory:
        return make_bundle(fleet.root, hub, {}, {}, Path(directory) / hub.name).content.key
