"""One deploy of a hub at a time, across machines: a Lease that its holder renews and a dead one loses."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hubops.answer import Absent, Present, Unknown
from hubops.clients.kube import Kube, is_status
from hubops.errors import ClusterError, HubopsError, OutOfReachError, RefusedError
from hubops.events import Emit, Line

NAMESPACE = "hubops"
DURATION_S = 15
_RENEW_EVERY_S = 4
_POLL_S = 1
_CONFLICT = 409
_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"

Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[None]]


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Lease:
    """A lease we hold. `inherited` is who held it before without releasing it, "" when nobody did."""

    hub: str
    holder: str
    inherited: str
    renewed_at: datetime
    clock: Clock

    def require_held(self) -> None:
        """Forbid a write once others may take the lease for lost.

        Raises:
            RefusedError: it was not renewed in time.
        """
        if self.clock() - self.renewed_at >= timedelta(seconds=DURATION_S):
            raise RefusedError(f"the lease on {self.hub} was lost", why="it could not be renewed in time")


def this_holder() -> str:
    """Who we are, for people, and so that a later run on this machine can tell whether we live."""
    user = (
        os.environ.get("CI_JOB_URL")
        or os.environ.get("GITHUB_RUN_ID")
        or os.environ.get("USER")
        or "somebody"
    )
    return f"{user}@{socket.gethostname()} process {os.getpid()}.{_started(os.getpid())} boot {_boot()}"


@asynccontextmanager
async def hold(
    kube: Kube, hub: str, emit: Emit, *, holder: str = "", clock: Clock = now, sleep: Sleep = asyncio.sleep
) -> AsyncIterator[Lease]:
    """Hold the lease `deploy-<hub>` in namespace `hubops`, both created when absent; wait for another holder.

    A holder that died on this machine loses it at once, any other when it is not renewed for 15 seconds.

    Raises:
        OutOfReachError: the cluster does not answer.
        ClusterError: a right is missing.
    """
    holder = holder or this_holder()
    lease = await _acquire(kube, Lease(hub, holder, "", clock(), clock), emit, sleep)
    renewing = asyncio.create_task(_renew_forever(kube, lease, sleep))
    try:
        yield lease
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        with contextlib.suppress(HubopsError):  # it expires by itself
            await asyncio.shield(_write(kube, lease, ""))


async def _acquire(kube: Kube, lease: Lease, emit: Emit, sleep: Sleep) -> Lease:
    told = ""
    while True:
        found = await kube.find(f"{_LEASES}/deploy-{lease.hub}")
        if isinstance(found, Unknown):
            raise OutOfReachError(f"nobody can tell who deploys {lease.hub}", why=found.reason)
        if isinstance(found, Absent):
            await _create_empty(kube, lease.hub)
            continue
        spec = found.value["spec"]
        if is_free(spec, lease.clock()):
            lease.inherited = spec.get("holderIdentity") or ""
            with contextlib.suppress(ClusterError):  # another was faster
                await _write(kube, lease, lease.holder, found.value)
                return lease
        elif (other := spec["holderIdentity"]) != told:
            told = other
            emit(Line(f"waiting for {other}, who deploys {lease.hub}"))
        await sleep(_POLL_S)


def is_free(spec: dict[str, Any], at: datetime) -> bool:
    """Whether a lease may be taken: released, expired, or held by a process of this machine that is dead."""
    holder = spec.get("holderIdentity")
    if not holder or is_dead_here(holder):
        return True
    renewed = datetime.fromisoformat(spec["renewTime"])
    return at - renewed >= timedelta(seconds=spec["leaseDurationSeconds"])


def is_dead_here(holder: str) -> bool:
    """Whether the holder was a process of this machine, since its last start, that is gone."""
    try:
        _, process, boot = holder.replace(" boot ", " process ").split(" process ")
        pid, started = process.split(".")
    except ValueError:
        return False
    return bool(boot) and boot == _boot() and _started(int(pid)) != started


def _boot() -> str:
    """Changes at each start of the machine; empty where the system does not tell."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _started(pid: int) -> str:
    """When a process was started, in clock ticks (proc(5), field 22): numbers of processes are used again."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return ""


async def _create_empty(kube: Kube, hub: str) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    empty = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"deploy-{hub}"},
        "spec": {},
    }
    for path, body in (("/api/v1/namespaces", namespace), (_LEASES, empty)):
        try:
            await kube.create(path, body)
        except ClusterError as error:
            if not is_status(error, _CONFLICT):
                raise


async def _renew_forever(kube: Kube, lease: Lease, sleep: Sleep) -> None:
    while True:
        await sleep(_RENEW_EVERY_S)
        with contextlib.suppress(HubopsError):  # require_held counts
            await _write(kube, lease, lease.holder)


async def _write(kube: Kube, lease: Lease, holder: str, known: dict[str, Any] | None = None) -> None:
    """Write ourselves (or nobody) as holder, unless somebody else wrote since.

    Raises:
        ClusterError: another run holds it by now.
    """
    path = f"{_LEASES}/deploy-{lease.hub}"
    at = lease.clock()
    found = Present(known) if known else await kube.find(path)
    if not isinstance(found, Present):
        raise ClusterError(f"the lease on {lease.hub} cannot be read")
    if not known and found.value["spec"].get("holderIdentity") != lease.holder:
        raise ClusterError(f"the lease on {lease.hub} is another's now")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": DURATION_S, "renewTime": _stamp(at)}
    if known:
        spec["acquireTime"] = _stamp(at)
    await kube.replace(path, {**found.value, "spec": {**found.value["spec"], **spec}})
    lease.renewed_at = at


def _stamp(at: datetime) -> str:
    """MicroTime of the API: exactly six digits."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
