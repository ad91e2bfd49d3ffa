"""A release that a killed run left pending: helm refuses to go on with it until its status says failed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hubops.clients.kube import Kube
from hubops.errors import RefusedError
from hubops.events import Emit, Remark
from hubops.execute.helm_record import list_revisions, pack_record, read_revision, unpack_record
from hubops.execute.lease import Lease

_PENDING = {"pending-install", "pending-upgrade", "pending-rollback"}
_DESCRIPTION = "hubops: the run that began this was killed"


async def heal_release(
    kube: Kube, release: str, namespace: str, lease: Lease, emit: Emit, *, timeout_s: int = 600
) -> bool:
    """Mark a pending release as failed, so that the next upgrade goes on. Whether there was one.

    Nothing is deleted: the objects stay as they are, and the upgrade brings them to where they belong.
    It is done only when its owner is known to be gone: the lease was inherited from a run that did not
    release it, or helm's own time limit for the pending release has passed.

    Raises:
        RefusedError: another helm may still be at work.
    """
    revisions = await list_revisions(kube, release, namespace)
    pending = [each for each in revisions if each["metadata"]["labels"]["status"] in _PENDING]
    for revision in pending:
        secret = await read_revision(kube, revision)
        _require_abandoned(secret, release, lease, timeout_s)
        status = secret["metadata"]["labels"]["status"]
        # The version makes it a conflict when its helm is alive after all and has just written.
        version = secret["metadata"]["resourceVersion"]
        body = {
            "metadata": {"labels": {"status": "failed"}, "resourceVersion": version},
            "data": {"release": failed_payload(secret["data"]["release"])},
        }
        await kube.patch(f"/api/v1/namespaces/{namespace}/secrets/{secret['metadata']['name']}", body)
        emit(Remark(f"release {release} was left {status} by a killed run; marked as failed"))
    # What that run left is seen to: what is pending from now on is another's.
    lease.inherited = ""
    return bool(pending)


def failed_payload(data: str) -> str:
    """The stored release with status failed."""
    document = unpack_record(data)
    document["info"] |= {"status": "failed", "description": _DESCRIPTION}
    return pack_record(document)


def _require_abandoned(secret: dict[str, Any], release: str, lease: Lease, timeout_s: int) -> None:
    began = datetime.fromisoformat(secret["metadata"]["creationTimestamp"])
    if lease.inherited or datetime.now(UTC) - began > timedelta(seconds=timeout_s):
        return
    raise RefusedError(
        f"another helm is at work on {release}",
        where=f"secret {secret['metadata']['namespace']}/{secret['metadata']['name']}",
        why=f"it is {secret['metadata']['labels']['status']} since {began:%H:%M:%S} UTC, and not by a run of hubops",
        hint=f"Wait for it; after {timeout_s} s it counts as abandoned.",
    )
