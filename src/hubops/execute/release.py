"""Bringing a release to the cluster: helm behind the gate, watched for what cannot become ready."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hubops.clients.gate import Gate
from hubops.clients.helm import Helm, Upgrade
from hubops.errors import HubopsError


async def upgrade_release(helm: Helm, upgrade: Upgrade, gate: Gate, watch: Coroutine[Any, Any, None]) -> None:
    """Run helm to its end, or until `watch` raises because waiting is in vain.

    Then helm is ended, and the gate closed first, so that nothing it still does reaches the cluster.

    Raises:
        ReleaseError: helm's failure, or what `watch` found.
    """
    helming = asyncio.create_task(helm.upgrade(upgrade))
    watching = asyncio.create_task(watch)
    try:
        await asyncio.wait([helming, watching], return_when=asyncio.FIRST_COMPLETED)
        if not helming.done() and isinstance(watching.exception(), HubopsError):
            gate.close("the release cannot become ready")
            watching.result()
        await helming
    finally:
        helming.cancel()
        watching.cancel()
        await asyncio.gather(helming, watching, return_exceptions=True)
