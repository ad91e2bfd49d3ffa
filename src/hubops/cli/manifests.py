"""Hubs rendered by helm, for the Kubernetes that each is to run on."""

from collections.abc import Mapping, Sequence

from hubops.desired.manifests.api import nearest_minor
from hubops.desired.manifests.model import Rendering
from hubops.desired.rules.views import HubView
from hubops.events import Emit
from hubops.local.tools import KUBERNETES


async def render(
    views: Sequence[HubView], minors: Sequence[int], emit: Emit
) -> Mapping[str, Sequence[Rendering]]:
    """For the minor versions that are given, or without any for that of each hub's cluster.

    Raises:
        MachineError: helm cannot be had here.
    """
    # Slow to import, and needed only when something is rendered.
    from hubops.local.toolchain import require_tool  # noqa: PLC0415 - see above
    from hubops.run.rendering import render_hubs  # noqa: PLC0415 - see above

    if not views:
        return {}
    helm = await require_tool("helm", emit)
    return await render_hubs(views, lambda view: minors or [_target(view)], helm, emit)


def _target(view: HubView) -> int:
    """The minor version that a hub's cluster runs, or the nearest known; without a word, that of the local cluster."""
    cluster = view.hub.cluster
    wanted = int((cluster.kubernetes or KUBERNETES).split(".")[1])
    found = nearest_minor(wanted)
    if found != wanted:
        view.note(
            f"judged by Kubernetes 1.{found}: hubops does not know 1.{wanted}, which {cluster.name} runs"
        )
    return found
