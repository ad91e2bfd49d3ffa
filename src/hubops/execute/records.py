"""Writing the deploy records; they are written before what they tell of, so that a killed run is known."""

import base64
import json
from dataclasses import asdict, replace

from hubops.clients.kube import Json, Kube
from hubops.state.model import HUB_LABEL, NUMBER_LABEL, RECORDS, History, Record

_TYPE = "hubops.dev/deploy"
_KEPT_RECORDS = 50
_KEPT_BUNDLES = 5
# A Secret takes 1 MiB of data; base64 and the record itself take their part.
_LARGEST_BUNDLE = 700_000


async def begin(kube: Kube, record: Record, history: History) -> Record:
    """Write the record of an attempt that begins, with the next deploy number; returns it with that.

    Raises:
        ClusterError, OutOfReachError: it cannot be written, and then nothing may begin.
    """
    number = max((r.number for r in history.records), default=0) + 1
    numbered = replace(record, number=number)
    labels = {HUB_LABEL: record.hub, NUMBER_LABEL: str(number)}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": _TYPE,
        "metadata": {"name": numbered.name, "labels": labels},
        "data": _data(numbered),
    }
    await kube.create(RECORDS, body)
    return numbered


async def end(kube: Kube, record: Record, *, bundle: bytes = b"") -> Record:
    """Write how an attempt ended, and keep its chart when it is given and not too large for a Secret."""
    kept = bool(bundle) and len(bundle) <= _LARGEST_BUNDLE
    ended = replace(record, kept=kept)
    data = _data(ended) | ({"bundle": base64.b64encode(bundle).decode()} if kept else {})
    await kube.patch(f"{RECORDS}/{ended.name}", {"data": data})
    return ended


async def prune(kube: Kube, history: History) -> None:
    """Forget the oldest: records beyond the fifty newest, charts beyond those of the five newest proofs.

    What the hub runs, the last proof, and the chart to go back to are never among them.
    """
    needed = {r.number for r in (history.standing, history.last_proved, history.restorable) if r}
    old = [record for record in history.records[:-_KEPT_RECORDS] if record.number not in needed]
    for record in old:
        await kube.delete(f"{RECORDS}/{record.name}")
    kept = [record for record in history.records if record.kept and record not in old]
    for record in kept[:-_KEPT_BUNDLES]:
        if record.number not in needed:
            await kube.patch(f"{RECORDS}/{record.name}", {"data": {"bundle": None}})


def _data(record: Record) -> Json:
    document = {**asdict(record), "ending": record.ending.value}
    del document["kept"]
    return {"record": base64.b64encode(json.dumps(document).encode()).decode()}
