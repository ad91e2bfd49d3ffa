"""Writing the deploy records; they are written before what they tell of, so that a killed run is known."""

import base64
import json
from dataclasses import asdict, replace
from datetime import datetime

from hubops.clients.kube import Json, Kube
from hubops.state.model import HUB_LABEL, NUMBER_LABEL, RECORDS, Ending, History, Record

_TYPE = "hubops.dev/deploy"
KEPT_RECORDS = 50
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


async def prune(kube: Kube, history: History, since: datetime) -> None:
    """Forget what `find_old` tells, and charts beyond those of the five newest proofs.

    What the hub runs, the last proof, and the chart to go back to are never among them.
    """
    old = find_old(history, since)
    for record in old:
        await kube.delete(f"{RECORDS}/{record.name}")
    needed = _needed(history)
    kept = [record for record in history.records if record.kept and record not in old]
    for record in kept[:-_KEPT_BUNDLES]:
        if record not in needed:
            await kube.patch(f"{RECORDS}/{record.name}", {"data": {"bundle": None}})


def find_old(history: History, since: datetime) -> list[Record]:
    """Records beyond the fifty newest that nobody goes back to, nor asks for the images of.

    Images of releases that were proved and replaced after `since` are kept because a record tells of them. The last
    one of the same images is enough, so that changes of people add nothing: there are no more records than fifty and
    one for each other choice of images.
    """
    needed = _needed(history)
    last = {_images(each): each for each in history.records if each.ending is Ending.PROVED}
    return [
        record
        for record in history.records[:-KEPT_RECORDS]
        if record not in needed
        and not (record is last.get(_images(record)) and history.replaced_at(record) >= since)
    ]


def _needed(history: History) -> list[Record | None]:
    """What stands, what can be brought back, and what is held until it changes."""
    return [history.standing, history.last_proved, history.restorable, history.open_failure]


def _images(record: Record) -> tuple[str, ...]:
    return tuple(sorted(record.content.images.values()))


def _data(record: Record) -> Json:
    document = {**asdict(record), "ending": record.ending.value}
    del document["kept"]
    return {"record": base64.b64encode(json.dumps(document).encode()).decode()}
