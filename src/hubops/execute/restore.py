"""Claims out of files: made as they were, filled beside what they have, and only then put in place."""

from dataclasses import replace

from hubops.answer import Absent
from hubops.clients.kube import Kube
from hubops.clients.volume import Volume
from hubops.errors import ClusterError
from hubops.events import Emit, Remark
from hubops.execute.archive import upload
from hubops.execute.archive_place import Source
from hubops.execute.sample import claim_body
from hubops.state.archive_model import Archived, Claim, Owner

_ASIDE = ".before-restore-"
# What a cluster writes about the volume that a claim had; another claim gets its own.
_OF_THE_VOLUME = (
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "kubectl.kubernetes.io/",
)


async def create_claim(kube: Kube, namespace: str, claim: Claim, owner: Owner, emit: Emit) -> Claim:
    """Make a claim as KubeSpawner or the chart made it: name, labels, annotations, size; its class, if it is here.

    Raises:
        ClusterError: there may be none.
    """
    body = claim_body(await _in_this_cluster(kube, wanted(claim), emit))
    made = await kube.create(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", body)
    return replace(claim, uid=made["metadata"]["uid"], owner=owner, node="", bound=False)


def wanted(claim: Claim) -> Claim:
    """The claim without what an old cluster wrote about its volume."""
    kept = {k: v for k, v in claim.annotations.items() if not k.startswith(_OF_THE_VOLUME)}
    return replace(claim, annotations=kept)


async def _in_this_cluster(kube: Kube, claim: Claim, emit: Emit) -> Claim:
    found = await kube.find(f"/apis/storage.k8s.io/v1/storageclasses/{claim.storage_class}")
    if not claim.storage_class or not isinstance(found, Absent):
        return claim
    emit(Remark(f"there is no storage class {claim.storage_class} here: the cluster's default is taken"))
    return replace(claim, storage_class="")


async def fill(volume: Volume, archived: Archived, source: Source, stamp: str) -> None:
    """Restore a claim's content; what it has goes into a directory of its own beside that.

    Raises:
        ClusterError: it cannot be written, or is not the same then; what was there is where it was.
        OutOfReachError: the connection was cut.
    """
    if await upload(volume, source, archived.file) != archived.content:
        raise ClusterError(
            "what was restored is not what was archived",
            where=f"claim {archived.claim.name}",
            hint="What was there is where it was. Run again.",
        )
    await volume.swap(f"{_ASIDE}{stamp}")
