"""Bringing a release to the cluster: helm behind the gate, watched for what cannot become ready."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hubops.clients.gate import Gate
from hubops.clients.helm import Helm, Upgrade
from hubops.errors import HubopsError, ReleaseError
from hubops.execute.lease import Lease


async def upgrade_release(
    helm: Helm, upgrade: Upgrade, gate: Gate, lease: Lease, *watches: Coroutine[Any, Any, None]
) -> None:
    """Run helm to its end, or until one of `watches` raises because waiting is in vain.

    Then helm is ended, and the gate closed first, so that nothing it still does reaches the cluster.

    Raises:
        ReleaseError: helm's failure, or what a watch found.
    """
    lease.at_work = True
    await watched(
        helm.upgrade(upgrade), *watches, failed=lambda: gate.close("the release cannot become ready")
    )
    lease.at_work = False


async def watched(
    work: Coroutine[Any, Any, None],
    *watches: Coroutine[Any, Any, None],
    failed: Callable[[], None] = lambda: None,
) -> None:
    """Work to its end, or until one of `watches` raises because waiting is in vain; none of them goes on then.

    `failed` is called before they are ended, if something went wrong.

    Raises:
        HubopsError: what the work raises, or the ReleaseError that a watch found.
    """
    working = asyncio.create_task(work)
    watching = {asyncio.create_task(watch) for watch in watches}
    try:
        await _wait_first(working, watching)
        await working
    except HubopsError:
        failed()
        raise
    finally:
        for task in (working, *watching):
            task.cancel()
        await asyncio.gather(working, *watching, return_exceptions=True)


async def _wait_first(working: "asyncio.Task[None]", watching: "set[asyncio.Task[None]]") -> None:
    """Until the work has ended, or a watch has found something; a watch that cannot see any more is done without."""
    while watching and not working.done():
        done, _ = await asyncio.wait({working, *watching}, return_when=asyncio.FIRST_COMPLETED)
        for task in done & watching:
            watching.remove(task)
            if not working.done() and isinstance(task.exception(), ReleaseError):
                task.result()
