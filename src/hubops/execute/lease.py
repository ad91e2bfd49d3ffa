"""One deploy of a hub at a time, across machines: a Lease that its holder renews and a dead one loses."""

import asyncio
import contextlib
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hubops.answer import Absent, Present, Unknown
from hubops.clients.kube import Json, Kube, is_status
from hubops.errors import ClusterError, HubopsError, OutOfReachError, RefusedError
from hubops.events import Emit, Remark

NAMESPACE = "hubops"
DURATION_S = 15
# The holder stops writing before anybody else may begin: what it sent last has five seconds to arrive.
LAPSE_S = 10
_RENEW_EVERY_S = 3
_RELEASE_LIMIT_S = 5
_POLL_S = 1
_NOT_FOUND, _CONFLICT = 404, 409
_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
_UNFINISHED = "hubops/unfinished"

Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[None]]


# Counts on while the machine sleeps, as the clocks of the others do; on macOS the second one does.
_UNSET_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BEGAN = datetime.now(UTC) - timedelta(seconds=time.clock_gettime(_UNSET_CLOCK))


def now() -> datetime:
    """The time, by a clock that nobody sets while we run."""
    return _BEGAN + timedelta(seconds=time.clock_gettime(_UNSET_CLOCK))


@dataclass
class Lease:
    """A lease we hold. `inherited` is who held it before and left helm at work, "" when nobody did.

    `at_work`: helm was started by us, and not seen to succeed; what it may have left pending is nobody's after us.
    """

    hub: str
    holder: str
    inherited: str
    renewed_at: datetime
    clock: Clock
    at_work: bool = False

    @property
    def path(self) -> str:
        return f"{_LEASES}/deploy-{self.hub}"

    def require_held(self) -> None:
        """Forbid a write once others may soon take the lease for lost.

        Raises:
            RefusedError: it was not renewed in time.
        """
        if self.clock() - self.renewed_at >= timedelta(seconds=LAPSE_S):
            raise RefusedError(
                f"the lease on {self.hub} was lost",
                why="it could not be renewed in time",
                hint="Run again: that goes on where this run stopped.",
            )


def this_holder() -> str:
    """Who we are, for people, and so that a later run on this machine can tell whether we live."""
    user = (
        os.environ.get("CI_JOB_URL")
        or os.environ.get("GITHUB_RUN_ID")
        or os.environ.get("USER")
        or f"user {os.getuid()}"
    )
    return f"{user}@{socket.gethostname()} process {os.getpid()}.{_started(os.getpid())} boot {_boot()}"


@asynccontextmanager
async def hold(
    kube: Kube,
    hub: str,
    emit: Emit,
    *,
    holder: str = "",
    clock: Clock = now,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[Lease]:
    """Hold the lease `deploy-<hub>` in namespace `hubops`, both created when absent; wait for another holder.

    A holder that died on this machine loses it at once, any other when we have seen no renewal for 15
    seconds by our own clock: the clocks of two machines differ. When the body ends with an exception while helm
    is `at_work`, the lease is released but says so, and the next holder has it as `inherited`.

    Raises:
        OutOfReachError: the cluster does not answer.
        ClusterError: a right is missing.
    """
    lease = Lease(hub, holder or this_holder(), "", clock(), clock)
    await _acquire(kube, lease, emit, sleep)
    renewing = asyncio.create_task(_renew_forever(kube, lease, sleep))
    ended = False
    try:
        yield lease
        ended = True
    finally:
        unfinished = "" if ended else lease.holder if lease.at_work else lease.inherited
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await asyncio.shield(_release(kube, lease, unfinished))


async def _acquire(kube: Kube, lease: Lease, emit: Emit, sleep: Sleep) -> None:
    told, version, seen_at = "", "", lease.clock()
    while True:
        found = await kube.find(lease.path)
        if isinstance(found, Unknown):
            raise OutOfReachError(f"nobody can tell who deploys {lease.hub}", why=found.reason)
        if isinstance(found, Absent):
            await _create_empty(kube, lease.hub)
            continue
        if version != (version := found.value["metadata"]["resourceVersion"]):
            seen_at = lease.clock()
        other = found.value["spec"].get("holderIdentity") or ""
        if not other or is_dead_here(other) or lease.clock() - seen_at >= timedelta(seconds=DURATION_S):
            if await _take(kube, lease, found.value):
                return
            continue
        if other != told:
            told = other
            emit(Remark(f"waiting for {person(other)}, who deploys {lease.hub}"))
        await sleep(_POLL_S)


async def _take(kube: Kube, lease: Lease, seen: Json) -> bool:
    """Become the holder, unless another was faster."""
    before = seen["spec"].get("holderIdentity") or (seen["metadata"].get("annotations") or {}).get(
        _UNFINISHED
    )
    try:
        await _write(kube, lease, seen, lease.holder, before or "")
    except ClusterError as error:
        if is_status(error, _CONFLICT):
            return False
        raise
    lease.inherited = before or ""
    return True


async def _renew_forever(kube: Kube, lease: Lease, sleep: Sleep) -> None:
    while True:
        await sleep(_RENEW_EVERY_S)
        with contextlib.suppress(HubopsError, TimeoutError):  # require_held counts
            async with asyncio.timeout(_RELEASE_LIMIT_S):
                await _write(kube, lease, await _own(kube, lease), lease.holder, lease.inherited)


async def _release(kube: Kube, lease: Lease, unfinished: str) -> None:
    with contextlib.suppress(HubopsError, TimeoutError):  # it expires by itself
        async with asyncio.timeout(_RELEASE_LIMIT_S):
            await _write(kube, lease, await _own(kube, lease), "", unfinished)


async def _own(kube: Kube, lease: Lease) -> Json:
    """The lease as it is, when it is still ours.

    Raises:
        RefusedError: it is another's by now, or nobody can tell.
    """
    found = await kube.find(lease.path)
    if isinstance(found, Present) and found.value["spec"].get("holderIdentity") == lease.holder:
        return found.value
    raise RefusedError(f"the lease on {lease.hub} is no longer ours")


async def _write(kube: Kube, lease: Lease, seen: Json, holder: str, unfinished: str) -> None:
    """Write the holder, unless somebody else wrote since `seen`: then the API server says conflict."""
    at = lease.clock()
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # MicroTime of the API: exactly six digits
    spec = {"holderIdentity": holder, "leaseDurationSeconds": DURATION_S, "renewTime": stamp}
    notes = {**(seen["metadata"].get("annotations") or {}), _UNFINISHED: unfinished}
    metadata = {**seen["metadata"], "annotations": notes}
    if seen["spec"].get("holderIdentity") != holder:
        spec["acquireTime"] = stamp
    await kube.replace(lease.path, {**seen, "metadata": metadata, "spec": {**seen["spec"], **spec}})
    lease.renewed_at = at


async def _create_empty(kube: Kube, hub: str) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    empty = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"deploy-{hub}"},
        "spec": {},
    }
    # The lease first: who may not create namespaces needs none where this one exists.
    if not await _create(kube, _LEASES, empty):
        await _create(kube, "/api/v1/namespaces", namespace)


async def _create(kube: Kube, path: str, body: Json) -> bool:
    """Create an object, unless another was faster; False when its namespace is not there."""
    try:
        await kube.create(path, body)
    except ClusterError as error:
        if is_status(error, _NOT_FOUND):
            return False
        if not is_status(error, _CONFLICT):
            raise
    return True


def person(holder: str) -> str:
    """The part of a holder's name that tells a person something."""
    return re.sub(r"\.\d+ boot .*", "", holder)


def is_dead_here(holder: str) -> bool:
    """Whether the holder was a process that we would see, on this machine since its last start, and is gone."""
    found = re.fullmatch(r".* process (\d+)\.(\d+) boot (\S+)", holder)
    return found is not None and found[3] == _boot() and _started(int(found[1])) != found[2]


def _boot() -> str:
    """Changes at each start of the machine, and differs between containers, which do not see each other's processes.

    Empty where the system does not tell.
    """
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    return ""


def _started(pid: int) -> str:
    """When a living process was started, in clock ticks (proc(5), field 22): numbers of processes are used again."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""
