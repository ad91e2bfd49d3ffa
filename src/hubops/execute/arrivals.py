"""Letting people in on a hub that follows its list of names while it runs (docs/adr/0029-people-without-a-restart.md)."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime

from hubops.clients.hub import Hub as Api
from hubops.clients.kube import Kube
from hubops.deadline import Deadline
from hubops.desired.model import Hub
from hubops.errors import ClusterError, HubError

# The kubelet brings a changed Secret to a pod's files when it looks at the pod again: at once when the pod changes, else
# after its syncFrequency of a minute, or half as long again (its jitter).
_LIMIT_S = 150
_POLL_S = 0.5
_HASTENED = "hubops.dev/people"


async def hasten(kube: Kube, namespace: str) -> None:
    """Change an annotation of the hub's pods, so that the kubelet looks at them now; who may not waits longer."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    with suppress(ClusterError):
        for pod in (await kube.list(pods, labels="component=hub"))[0]:
            body = {"metadata": {"annotations": {_HASTENED: datetime.now(UTC).isoformat()}}}
            await kube.patch(f"{pods}/{pod['metadata']['name']}", body)


async def wait_known(hub: Hub, came: Collection[str], api: Api) -> None:
    """Wait until the running hub knows these people, in lower case.

    Raises:
        HubError: it still does not know some of them.
        OutOfReachError: it does not answer.
    """
    deadline = Deadline(_LIMIT_S)
    while missing := {*map(_key, came)} - {_key(person.name) for person in await api.list_people()}:
        if deadline.passed:
            raise _unknown(hub, len(missing))
        await asyncio.sleep(_POLL_S)


def _key(name: str) -> str:
    """MWOAuthenticator writes a space in its own way."""
    return name.lower().replace(" ", "_")


def _unknown(hub: Hub, count: int) -> HubError:
    return HubError(
        f"{hub.name} does not know {count} of the people who may come now",
        where=f"hub-charts/{hub.name}/people.yaml",
        why=f"It follows its list of names while it runs, and did not take them up within {_LIMIT_S} s.",
        hint=f"Its log says why (hubops logs {hub.name}). A name that nobody can have would also end its next start.",
    )
