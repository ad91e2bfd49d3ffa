"""Reading the deploy records: Secrets of namespace `hubops`, one per attempt.

Secrets, because the values that a chart was given are nobody else's business, although none of them is secret.
"""

import base64
import dataclasses
import json
from typing import TypeVar

from hubops.clients.kube import Json, Kube, is_status
from hubops.errors import ClusterError, RefusedError
from hubops.state.model import HUB_LABEL, NAMESPACE, RECORDS, Commit, Content, Ending, History, Record

_NOT_FOUND = 404
T = TypeVar("T", Commit, Content, Record)


async def read_history(kube: Kube, hub: str) -> History:
    """What is recorded of a hub.

    Raises:
        OutOfReachError, ClusterError: it cannot be read, which never means that there is nothing.
        RefusedError: a record is none that this version understands.
    """
    return (await _read(kube, f"{HUB_LABEL}={hub}")).get(hub, History(hub))


async def read_histories(kube: Kube) -> dict[str, History]:
    """What is recorded of every hub of the cluster.

    Raises:
        as `read_history`.
    """
    return await _read(kube, HUB_LABEL)


async def read_bundle(kube: Kube, record: Record) -> bytes:
    """The packed chart of a record that is kept.

    Raises:
        OutOfReachError, ClusterError: it cannot be read.
    """
    found = await kube.request("GET", f"{RECORDS}/{record.name}")
    return base64.b64decode(found["data"]["bundle"])


async def _read(kube: Kube, labels: str) -> dict[str, History]:
    try:
        items, _ = await kube.list(RECORDS, labels=labels)
    except ClusterError as error:
        if is_status(error, _NOT_FOUND):
            return {}
        raise
    records: dict[str, list[Record]] = {}
    for item in items:
        record = _record(item)
        records.setdefault(record.hub, []).append(record)
    return {
        hub: History(hub, tuple(sorted(found, key=lambda record: record.number)))
        for hub, found in records.items()
    }


def _record(item: Json) -> Record:
    try:
        document = json.loads(base64.b64decode(item["data"]["record"]))
        own = {**document, "kept": "bundle" in item["data"]}
        own["ending"] = Ending(own["ending"])
        own["commit"] = _made(Commit, own["commit"])
        own["content"] = _made(Content, own["content"])
        return _made(Record, own)
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError(
            "a deploy record cannot be understood",
            where=f"secret {NAMESPACE}/{item['metadata']['name']}",
            why=f"{type(error).__name__}: {error}",
            hint="Use the version of hubops that wrote it, or a newer one.",
        ) from error


def _made(kind: type[T], fields: Json) -> T:
    """A newer version may have written more; what it changed besides is not understood."""
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in fields.items() if name in known})
