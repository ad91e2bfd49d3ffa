"""Reading the receipts of archives: ConfigMaps of namespace `hubops`, which outlive the hub's own."""

import json

from hubops.clients.kube import Kube, is_status
from hubops.errors import ClusterError, RefusedError
from hubops.state.archive_model import RECEIPT_LABEL, RECEIPTS, Receipt

_NOT_FOUND = 404


async def read_receipt(kube: Kube, hub: str) -> Receipt | None:
    """The newest archive of a hub that is recorded, or None.

    Raises:
        OutOfReachError, ClusterError: it cannot be read, which never means that there is none.
        RefusedError: it is not understood.
    """
    try:
        items, _ = await kube.list(RECEIPTS, labels=f"{RECEIPT_LABEL}={hub}")
        found = [Receipt(**json.loads(item["data"]["receipt"])) for item in items]
    except ClusterError as error:
        if is_status(error, _NOT_FOUND):
            return None
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError(
            "a receipt cannot be understood",
            where=f"configmaps of namespace hubops, {RECEIPT_LABEL}={hub}",
            why=f"{type(error).__name__}: {error}",
            hint="Use the version of hubops that wrote it, or a newer one.",
        ) from error
    return max(found, key=lambda receipt: receipt.at, default=None)
