"""Everything of a hub that is in its cluster, and what else lives beside it."""

from hubops.answer import Absent, Present
from hubops.clients.kube import Json, Kube
from hubops.desired.model import Hub
from hubops.errors import OutOfReachError
from hubops.state.archive_model import Owner, Remains
from hubops.state.live import read_live
from hubops.state.volumes import read_claims

_NOBODY = Owner(0, 0, 0)  # nothing of it is read


async def read_remains(kube: Kube, hub: Hub) -> Remains:
    """What there is, whether the hub is deployed, half removed, or gone.

    Raises:
        OutOfReachError, ClusterError: nobody can tell.
    """
    space = f"/api/v1/namespaces/{hub.namespace}"
    found = await kube.find(space)
    if isinstance(found, Absent):
        return Remains((), present=False)
    if not isinstance(found, Present):
        raise OutOfReachError(f"nobody can tell what there is of {hub.name}", why=found.reason)
    claims = await read_claims(kube, hub.namespace, _NOBODY, _NOBODY)
    live = await read_live(kube, hub.namespace)
    records, _ = await kube.list(f"{space}/secrets", labels="owner=helm")
    items, _ = await kube.list(f"{space}/persistentvolumeclaims")
    own = {claim.name for claim in claims}
    others = {f"release {name}" for name in map(_release, records) if name != hub.release}
    others |= {f"claim {name}" for item in items if (name := item["metadata"]["name"]) not in own}
    return Remains(
        claims,
        revisions=sum(_release(record) == hub.release for record in records),
        pods=live.pods,
        servers=live.servers,
        others=tuple(sorted(others)),
    )


def _release(record: Json) -> str:
    return str(record["metadata"]["labels"].get("name", ""))
