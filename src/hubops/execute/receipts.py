"""Writing down, where it outlives the hub, that it was archived or removed."""

import json
from dataclasses import asdict

from hubops.clients.kube import Kube
from hubops.state.archive_model import RECEIPT_LABEL, RECEIPTS, Receipt, Removal

_REMOVAL_LABEL = "hubops.dev/removal-of"


async def write_receipt(kube: Kube, receipt: Receipt) -> None:
    """Add the receipt of an archive; the older ones stay."""
    await _write(kube, f"archive-{receipt.hub}-{_stamp(receipt.at)}", RECEIPT_LABEL, "receipt", receipt)


async def write_removal(kube: Kube, removal: Removal) -> None:
    """Add what is about to be removed, by whom, and which archive there is of it."""
    await _write(kube, f"removal-{removal.hub}-{_stamp(removal.at)}", _REMOVAL_LABEL, "removal", removal)


async def _write(kube: Kube, name: str, label: str, key: str, about: Receipt | Removal) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {label: about.hub}},
        "data": {key: json.dumps(asdict(about))},
    }
    await kube.create(RECEIPTS, body)


def _stamp(at: str) -> str:
    """A time as a part of a name: digits and a "t"."""
    return at.partition("+")[0].replace("-", "").replace(":", "").lower()
