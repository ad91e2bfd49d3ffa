"""Verified means used: a probe person gets a server, runs a notebook, and goes without a trace."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from hubops.checks.cells import find_fault, last_line, locate
from hubops.checks.proof_model import Cell, Proof
from hubops.clients.hub import Hub, Progress
from hubops.clients.jupyter import Kernel, open_kernel
from hubops.deadline import Deadline
from hubops.errors import HubError, HubopsError, OutOfReachError
from hubops.events import Emit, Line, step
from hubops.secret import Redactor

_POLL_S = 0.5
_STREAM_LIMIT_S = 4.0
_ANSWER_LIMIT_S = 60.0  # the hub is rolled out, so only its address can still be in the way
_CLEANUP_LIMIT_S = 90.0  # a pod has 30 s to end, its node some more to report it, the volume goes last
# Whoever ends a run wants it ended: the server is told to stop, and the next proof sweeps.
_CANCELLED_CLEANUP_LIMIT_S = 1.5
_SPAWN_EVENTS = 6
# Kubelet events after which a container does not start by waiting, by `reason` and part of the message
# (KubeSpawner passes them on). Failed scheduling and mounts are not among them: they often heal.
_HOPELESS = {
    "BackOff": ("",),
    "Failed": (
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImagePullBackOff",
        "not found",
        "unauthorized",
        "denied",
    ),
    "InspectFailed": ("",),
}


async def _no_logs() -> str:
    return ""


async def _no_pods() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True)
class Probe:
    """Who tries what. `remove_home` removes the person's volume, and is content when there is none.

    `options` is what the person would choose on the spawn form, e.g. {"profile": "large"}. `logs` gives
    the last lines that the person's server printed, "" when it printed none; `pods` the uids of all pods
    that events tell of, living or gone.
    """

    name: str
    cells: Sequence[Cell]
    remove_home: Callable[[], Awaitable[None]]
    options: Mapping[str, Any] = field(default_factory=dict)
    logs: Callable[[], Awaitable[str]] = _no_logs
    pods: Callable[[], Awaitable[frozenset[str]]] = _no_pods


async def verify(hub: Hub, probe: Probe, *, redactor: Redactor, emit: Emit, deadline: Deadline) -> Proof:
    """Prove that a person can work on the hub: a server of the image starts and runs the cells.

    What an earlier, killed run left behind is removed first. Server, person and volume are removed at the
    end, also after a failure, within a budget of their own; after a cancellation as far as a second or two
    allows. A failing removal fails no proof: `Proof.leftovers` tells it.

    Raises:
        HubError: a person cannot work; names the cell or the last events of the start.
        OutOfReachError: the hub could not be asked, which says nothing about the release.
    """
    version, answered_s = await _timed(deadline, _prepare(hub, probe, emit, deadline))
    proof = Proof(version, probe.name, len(probe.cells), answered_s, 0, 0, 0, 0)
    try:
        proof = await _use(hub, probe, proof, _Watch(redactor, emit, deadline))
    except asyncio.CancelledError:
        await _clean_up(hub, probe, emit, _CANCELLED_CLEANUP_LIMIT_S)
        raise
    except BaseException:
        await _clean_up(hub, probe, emit)
        raise
    leftovers, cleanup_s = await _timed(deadline, _clean_up(hub, probe, emit))
    return replace(proof, leftovers=redactor.mask(leftovers), cleanup_s=cleanup_s)


async def remove(hub: Hub, probe: Probe) -> None:
    """Remove the probe's server, person and volume, as far as they are there.

    Raises:
        HubError, OutOfReachError: the hub did not do it; whatever `remove_home` raises.
    """
    while server := await hub.find_server(probe.name):
        if server.ready or server.pending == "spawn":
            await hub.stop_server(probe.name)
        elif not server.pending:
            await hub.delete_user(probe.name)
            break
        await asyncio.sleep(_POLL_S)
    await probe.remove_home()


async def wait_answer(hub: Hub, deadline: Deadline) -> str:
    """Wait until the hub answers at its address; its version.

    Raises:
        OutOfReachError: it does not in time.
    """
    while True:
        try:
            return await hub.version()
        except OutOfReachError:
            if deadline.left_s <= _POLL_S:
                raise
            await asyncio.sleep(_POLL_S)


@dataclass(frozen=True)
class _Watch:
    redactor: Redactor
    emit: Emit
    deadline: Deadline
    events: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def phase(self, title: str, doing: str) -> AsyncIterator[None]:
        """A step within the deadline; running out of it is the hub's failure, told with the last events."""
        try:
            with step(self.emit, title):
                async with asyncio.timeout(self.deadline.left_s):
                    yield
        except TimeoutError as error:
            what = f"{doing} was not done within {self.deadline.limit_s:.0f} s"
            raise HubError(what, why=self.last_events()) from error

    def last_events(self) -> str:
        return self.redactor.mask("\n".join(self.events[-_SPAWN_EVENTS:]))


async def _use(hub: Hub, probe: Probe, proof: Proof, watch: _Watch) -> Proof:
    began_s = watch.deadline.elapsed_s
    async with watch.phase("start a server for the probe person", "The start of a server"):
        await hub.create_user(probe.name)
        await _start(hub, probe, watch)
    started_s = watch.deadline.elapsed_s
    async with watch.phase("run the notebook", "The notebook"):
        kernel_s = 0.0
        try:
            async with open_kernel(hub.site, probe.name) as kernel:
                kernel_s = watch.deadline.elapsed_s
                for cell in probe.cells:
                    await _run(kernel, cell, watch)
        except HubError as error:
            if not kernel_s:  # what is wrong with a kernel that does not start, its server's log tells
                error.why = watch.redactor.mask(_lines(error.why, await probe.logs()))
            raise
        cells_s = watch.deadline.elapsed_s
    return replace(
        proof,
        server_started_s=started_s - began_s,
        kernel_s=kernel_s - started_s,
        cells_s=cells_s - kernel_s,
    )


async def _start(hub: Hub, probe: Probe, watch: _Watch) -> None:
    try:
        watch.gone.update(await probe.pods())
        await hub.start_server(probe.name, probe.options)
        while not await _follow(hub, probe.name, watch):
            await asyncio.sleep(_POLL_S)
    except HubError as error:
        last = f": {last_line(watch.last_events())}" if watch.events else ""
        raise HubError(
            f"No server starts for a person{last}",
            where=error.where or f"{probe.name} at {hub.site.http.base_url}",
            why=watch.redactor.mask(_lines(error.why, watch.last_events(), await probe.logs())),
            hint=error.hint or "correct what the last event names: image, command, quota or volume",
        ) from error


async def _follow(hub: Hub, user: str, watch: _Watch) -> bool:
    """Watch one stream of progress for a while; whether the server is ready.

    A proxy may end a stream at any time. And KubeSpawner counts the events it told: where an earlier pod of
    the person left some, a stream that began with those says nothing until there are more new ones.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STREAM_LIMIT_S), aclosing(hub.progress(user)) as messages:
            async for message in messages:
                if message.pod in watch.gone:
                    continue
                _note(message, watch)
                if message.ready:
                    return True
                if message.failed or _is_hopeless(message):
                    raise HubError("The start failed")  # the message is the last of the events
    server = await hub.find_server(user)
    if server is None or not (server.ready or server.pending):
        raise HubError("The start ended without a server")
    return server.ready


def _note(message: Progress, watch: _Watch) -> None:
    # A stream opened again tells everything from the beginning.
    if message.message and message.message not in watch.events:
        watch.events.append(message.message)
        watch.emit(Line(watch.redactor.mask(message.message)))


def _is_hopeless(message: Progress) -> bool:
    return any(part in message.message for part in _HOPELESS.get(message.reason, ()))


async def _run(kernel: Kernel, cell: Cell, watch: _Watch) -> None:
    ran = await kernel.run(cell.source)
    fault = find_fault(cell, ran)
    if not fault:
        return
    what = f"Cell {cell.number} " + ("of the proof fails" if ran.error else "gives a wrong result")
    raise HubError(
        watch.redactor.mask(f"{what}: {last_line(fault)}"),
        where=locate("the notebook of the probe person", cell),
        why=watch.redactor.mask(fault),
        hint="Run the cell on the hub; if the image is at fault, correct its Dockerfile or requirements.",
    )


async def _prepare(hub: Hub, probe: Probe, emit: Emit, deadline: Deadline) -> str:
    """Wait for the hub and sweep; its version. Being late here says nothing about the release."""
    limit_s = _ANSWER_LIMIT_S + _CLEANUP_LIMIT_S
    try:
        async with asyncio.timeout(min(limit_s, deadline.left_s)):
            with step(emit, "wait for the hub's answer") as note:
                version = await wait_answer(hub, Deadline(min(_ANSWER_LIMIT_S, deadline.left_s)))
                note.text = f"JupyterHub {version}"
            with step(emit, "remove what an earlier probe left"):
                await remove(hub, probe)
    except TimeoutError as error:
        what = f"The hub was not ready for a probe within {limit_s:.0f} s"
        where, hint = str(hub.site.http.base_url), "look at the hub's log, then run again"
        raise OutOfReachError(what, where=where, hint=hint) from error
    return version


async def _clean_up(hub: Hub, probe: Probe, emit: Emit, limit_s: float = _CLEANUP_LIMIT_S) -> str:
    """Remove everything within the limit, which is short once the caller is cancelled; what went wrong, or ""."""
    removal = asyncio.create_task(_remove_reporting(hub, probe, emit, limit_s))
    try:
        return await asyncio.shield(removal)
    except asyncio.CancelledError:
        await asyncio.wait([removal], timeout=_CANCELLED_CLEANUP_LIMIT_S)
        raise
    finally:
        removal.cancel()


async def _remove_reporting(hub: Hub, probe: Probe, emit: Emit, limit_s: float) -> str:
    try:
        with step(emit, "remove the probe person"):
            async with asyncio.timeout(limit_s):
                await remove(hub, probe)
    except TimeoutError:
        return f"not removed within {limit_s:.0f} s"
    except HubopsError as error:
        return str(error)
    return ""


async def _timed(deadline: Deadline, work: Awaitable[str]) -> tuple[str, float]:
    began_s = deadline.elapsed_s
    return await work, deadline.elapsed_s - began_s


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
