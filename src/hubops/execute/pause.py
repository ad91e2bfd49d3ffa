"""A hub that stands still while its database is exchanged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubops.clients.kube import Kube
from hubops.deadline import Deadline
from hubops.desired.model import Hub
from hubops.errors import OutOfReachError
from hubops.execute.content import read_deployed, record_content

_GONE_LIMIT_S = 120
_POLL_S = 0.5
# In place of the content's digest: when we are killed, the next deploy is not "nothing changed" and brings the hub back.
_PAUSED = "paused"


@asynccontextmanager
async def paused(kube: Kube, hub: Hub, replicas: int) -> AsyncIterator[None]:
    """Take the hub's pod away, and bring it back at the end, whatever happened; `replicas` are wanted now.

    Raises:
        OutOfReachError: its pod does not go.
    """
    path = f"/apis/apps/v1/namespaces/{hub.namespace}/deployments/hub"
    before = await read_deployed(kube, hub.release, hub.namespace)
    if before.content:
        await record_content(kube, hub.release, hub.namespace, _PAUSED)
    settled = before.content not in {"", _PAUSED}
    # None is what a disabled hub has, and what a killed run leaves.
    wanted = replicas if settled else max(1, replicas)
    try:
        await kube.patch(path, {"spec": {"replicas": 0}})
        await _wait_gone(kube, hub.namespace)
        yield
    finally:
        await asyncio.shield(kube.patch(path, {"spec": {"replicas": wanted}}))
    if settled:
        await record_content(kube, hub.release, hub.namespace, before.content)


async def _wait_gone(kube: Kube, namespace: str) -> None:
    deadline = Deadline(_GONE_LIMIT_S)
    while (await kube.list(f"/api/v1/namespaces/{namespace}/pods", labels="component=hub"))[0]:
        if deadline.passed:
            hint = "See what holds it: kubectl describe pod. Nothing was touched; run again when it is gone."
            raise OutOfReachError("the hub's pod does not go", where=f"namespace {namespace}", hint=hint)
        await asyncio.sleep(_POLL_S)
