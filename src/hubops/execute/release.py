"""Bringing a release to the cluster: helm behind the gate, watched for what cannot become ready."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hubops.clients.gate import Gate
from hubops.clients.helm import Helm, Upgrade
from hubops.errors import HubopsError, ReleaseError


async def upgrade_release(
    helm: Helm, upgrade: Upgrade, gate: Gate, *watches: Coroutine[Any, Any, None]
) -> None:
    """Run helm to its end, or until one of `watches` raises because waiting is in vain.

    Then helm is ended, and the gate closed first, so that nothing it still does reaches the cluster.

    Raises:
        ReleaseError: helm's failure, or what a watch found.
    """
    helming = asyncio.create_task(helm.upgrade(upgrade))
    watching = {asyncio.create_task(watch) for watch in watches}
    try:
        await _wait_first(helming, watching)
        await helming
    except HubopsError:
        gate.close("the release cannot become ready")
        raise
    finally:
        for task in (helming, *watching):
            task.cancel()
        await asyncio.gather(helming, *watching, return_exceptions=True)


async def _wait_first(helming: "asyncio.Task[None]", watching: "set[asyncio.Task[None]]") -> None:
    """Until helm has ended, or a watch has found something; a watch that cannot see any more is done without."""
    while watching and not helming.done():
        done, _ = await asyncio.wait({helming, *watching}, return_when=asyncio.FIRST_COMPLETED)
        for task in done & watching:
            watching.remove(task)
            if not helming.done() and isinstance(task.exception(), ReleaseError):
                task.result()
