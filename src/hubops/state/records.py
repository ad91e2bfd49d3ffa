"""Reading the deploy records: Secrets of namespace `hubops`, one per attempt.

Secrets, because the values that a chart was given are nobody else's business, although none of them is secret.
"""

import base64
import json

from hubops.clients.kube import Json, Kube, is_status
from hubops.errors import ClusterError
from hubops.state.model import NAMESPACE, Commit, Content, Ending, History, Record

SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
HUB_LABEL = "hubops.dev/hub"
NUMBER_LABEL = "hubops.dev/deploy"
_NOT_FOUND = 404


async def read_history(kube: Kube, hub: str) -> History:
    """What is recorded of a hub.

    Raises:
        OutOfReachError, ClusterError: it cannot be read, which never means that there is nothing.
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
    found = await kube.request("GET", f"{SECRETS}/{record_name(record.hub, record.number)}")
    return base64.b64decode(found["data"]["bundle"])


def record_name(hub: str, number: int) -> str:
    return f"deploy-{hub}-{number}"


async def _read(kube: Kube, labels: str) -> dict[str, History]:
    try:
        items, _ = await kube.list(SECRETS, labels=labels)
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
    document = json.loads(base64.b64decode(item["data"]["record"]))
    own = {**document, "kept": "bundle" in item["data"]}
    own["ending"] = Ending(own["ending"])
    own["commit"] = Commit(**own["commit"])
    own["content"] = Content(**own["content"])
    return Record(**own)
