"""Rendering as `hubops check --render` does it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from hubops.desired.manifests.model import Rendering
from hubops.desired.rules.views import HubView
from hubops.local.toolchain import require_tool
from hubops.run.rendering import render_hubs

Render = Callable[[Sequence[HubView]], Mapping[str, Sequence[Rendering]]]


def render(*minors: int) -> Render:
    """For the minor versions of Kubernetes, without any for 1.34."""

    async def rendered(views: Sequence[HubView]) -> Mapping[str, Sequence[Rendering]]:
        helm = await require_tool("helm", lambda _event: None)
        return await render_hubs(views, lambda _view: minors or (34,), helm, lambda _event: None)

    return lambda views: asyncio.run(rendered(views))
