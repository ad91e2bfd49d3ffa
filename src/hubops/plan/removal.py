"""May a hub be removed? What it has is in an archive that is not older than it, or somebody said that it need not be."""

from collections.abc import Sequence

from hubops.desired.model import Fleet, Hub
from hubops.errors import RefusedError
from hubops.state.archive_model import Claim, Receipt, Remains
from hubops.state.model import History


def require_removable(fleet: Fleet, hub: Hub, remains: Remains) -> None:
    """Whatever is archived: it is there, and no other hub needs it.

    Raises:
        RefusedError: why not.
    """
    proved = sorted(other.name for other in fleet.hubs.values() if other.proved_by == hub.name)
    if proved:
        raise RefusedError(
            f"{hub.name} proves other hubs",
            where=", ".join(f"hub-charts/{name}/hub.yaml: proved-by" for name in proved),
            why=f"without it {', '.join(proved)} could not be deployed any more",
            hint="Let another hub prove them first.",
        )
    beside = sorted(
        other.name
        for other in fleet.hubs.values()
        if other.name != hub.name
        and (other.cluster.identity, other.namespace) == (hub.cluster.identity, hub.namespace)
    )
    if beside:
        raise RefusedError(
            f"{hub.name} shares its namespace with other hubs",
            where=f"namespace {hub.namespace}",
            why=f"nobody can tell its homes from those of {', '.join(beside)}",
            hint="Uninstall its release with helm, and delete by hand what is its own.",
        )
    if not remains.present:
        raise RefusedError(
            f"there is nothing of {hub.name} in its cluster",
            where=f"namespace {hub.namespace}",
            hint=f"Only its files are left: hubops remove {hub.name} --files",
        )


def require_archived(
    hub: Hub, claims: Sequence[Claim], servers: int, receipt: Receipt | None, history: History
) -> None:
    """Everything that would be deleted is in the newest archive, and nothing came after that.

    Raises:
        RefusedError: why not.
    """
    why = _why_not(claims, servers, receipt, history)
    if why:
        raise RefusedError(
            f"{hub.name} is not removed, for it is not in an archive as it is",
            where=f"archive in {receipt.place}" if receipt else f"hub {hub.name}",
            why=why,
            hint=f"Archive it: hubops archive {hub.name} --to DIRECTORY; to do without one: --without-archive",
        )


def _why_not(claims: Sequence[Claim], servers: int, receipt: Receipt | None, history: History) -> str:
    if receipt is None:
        return "no archive of it is recorded"
    latest = history.latest.number if history.latest else 0
    if latest != receipt.deploy:
        return f"the archive was made at deploy {receipt.deploy}, and deploy {latest} came after it"
    missing = sum(claim.uid not in receipt.claims for claim in claims if claim.bound)
    if missing:
        return f"{missing} volumes are not in it"
    if any(claim.bound and not receipt.claims[claim.uid] for claim in claims):
        return "homes were in use when it was made"
    return f"{servers} servers of people run, and they may write" if servers else ""
