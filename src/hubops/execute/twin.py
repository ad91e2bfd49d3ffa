"""A hub's twin for a while: a namespace of its own, with copies of what the hub's pods refer to."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

from hubops import digest
from hubops.answer import Absent, Present
from hubops.clients.kube import Json, Kube
from hubops.deadline import Deadline
from hubops.errors import OutOfReachError, RefusedError
from hubops.events import Emit, step
from hubops.execute.twin_objects import PLACES

LABEL = "hubops.dev/rehearsal-of"
_SECURITY = "pod-security.kubernetes.io/"
_LONGEST, _DIGITS = 63, 8
_GONE_LIMIT_S = 180
_POLL_S = 0.5
# By which nodes pull images.
_PULL_TYPES = {"kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"}


def twin_namespace(hub: str) -> str:
    """The name of the namespace: the same for each rehearsal of a hub, so that the next one finds what is left."""
    name = f"hubops-rehearse-{hub}"
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - _DIGITS - 1]}-{digest.of_bytes(hub.encode())[:_DIGITS]}"


@asynccontextmanager
async def open_twin(kube: Kube, hub: str, of: str, emit: Emit) -> AsyncIterator[str]:
    """An empty namespace for the twin of a hub in namespace `of`; what a killed run left goes first.

    At the end it is deleted, which Kubernetes does without us.

    Raises:
        RefusedError: there is a namespace of that name that is not a twin's.
        ClusterError: there may be none.
        OutOfReachError: what was left does not go.
    """
    name = twin_namespace(hub)
    await _wait_gone(kube, hub, emit)
    live = await kube.request("GET", f"/api/v1/namespaces/{of}")
    labels = live["metadata"].get("labels") or {}
    kept = {key: value for key, value in labels.items() if key.startswith(_SECURITY)}
    metadata = {"name": name, "labels": {**kept, LABEL: hub}}
    await kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        yield name
    finally:
        with step(emit, f"delete namespace {name}"):
            await asyncio.shield(kube.delete(f"/api/v1/namespaces/{name}"))


async def _wait_gone(kube: Kube, hub: str, emit: Emit) -> None:
    """Delete what an earlier rehearsal left, and wait for it."""
    if not await _find_left(kube, hub):
        return
    deadline = Deadline(_GONE_LIMIT_S)
    with step(emit, "remove what an earlier rehearsal left"):
        while left := await _find_left(kube, hub):
            name = left["metadata"]["name"]
            if deadline.passed:
                raise OutOfReachError(
                    "an earlier rehearsal's namespace does not go", where=f"namespace {name}"
                )
            if not left["metadata"].get("deletionTimestamp"):
                await kube.delete(f"/api/v1/namespaces/{name}")
            await asyncio.sleep(_POLL_S)


async def _find_left(kube: Kube, hub: str) -> Json | None:
    name = twin_namespace(hub)
    found = await kube.find(f"/api/v1/namespaces/{name}")
    if isinstance(found, Absent):
        return None
    if not isinstance(found, Present):
        raise OutOfReachError("nobody can tell what an earlier rehearsal left", why=found.reason)
    if (found.value["metadata"].get("labels") or {}).get(LABEL) != hub:
        raise RefusedError(
            f"there is a namespace {name}, and it is not from a rehearsal of {hub}",
            where=f"namespace {name}",
            hint=f"Look whose it is. If it is nobody's: kubectl delete namespace {name}",
        )
    return found.value


async def create_all(kube: Kube, namespace: str, objects: Iterable[Json]) -> None:
    """Make these objects in this order."""
    for item in objects:
        await kube.create("/" + PLACES[item["kind"]].format(namespace), item)


async def pull_secrets(kube: Kube, namespace: str) -> set[tuple[str, str]]:
    """The Secrets of a namespace by which nodes pull images."""
    items, _ = await kube.list(f"/api/v1/namespaces/{namespace}/secrets")
    return {("Secret", item["metadata"]["name"]) for item in items if item.get("type") in _PULL_TYPES}


async def copy_objects(
    kube: Kube, source: str, target: str, wanted: Collection[tuple[str, str]], prefix: str = ""
) -> None:
    """Copy Secrets and ConfigMaps, as kind and name, into another namespace, with a prefix to their names.

    What is not there is left out: it may be optional, and where it is not the pod says so.

    Raises:
        OutOfReachError: nobody can tell whether one is there.
    """
    for kind, name in sorted(wanted):
        found = await kube.find("/" + PLACES[kind].format(source) + f"/{name}")
        if isinstance(found, Absent):
            continue
        if not isinstance(found, Present):
            raise OutOfReachError(f"{kind} {source}/{name} cannot be read", why=found.reason)
        kept = {key: value for key, value in found.value.items() if key in {"data", "binaryData", "type"}}
        body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": prefix + name}, **kept}
        await kube.create("/" + PLACES[kind].format(target), body)
