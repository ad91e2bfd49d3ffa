"""Verified means used: a probe person gets a server, runs a notebook, and goes without a trace."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

from hubops.checks.cells import find_fault, last_line, locate
from hubops.checks.proof_model import Cell, Proof
from hubops.checks.server_start import POLL_S, Probe, Watch, join_lines, start_server
from hubops.clients.hub import Hub
from hubops.clients.jupyter import Kernel, open_kernel
from hubops.deadline import Deadline
from hubops.errors import HubError, HubopsError, OutOfReachError
from hubops.events import Emit, step
from hubops.secret import Redactor

_ANSWER_LIMIT_S = 60.0  # the hub is rolled out, so only its address can still be in the way
_CLEANUP_LIMIT_S = 90.0  # a pod has 30 s to end, its node some more to report it, the volume goes last
_SWEEP_PAUSES_S = (1, 3, 6)
# Whoever ends a run wants it ended: the server is told to stop, and the next proof sweeps.
_CANCELLED_CLEANUP_LIMIT_S = 1.5


async def verify(hub: Hub, probe: Probe, *, redactor: Redactor, emit: Emit, deadline: Deadline) -> Proof:
    """Prove that a person can work on the hub: a server of the image starts and runs the cells.

    What an earlier, killed run left behind is removed first. Server, person and volume are removed at the
    end, also after a failure, within a budget of their own; after a cancellation as far as a second or two
    allows. A failing removal fails no proof: `Proof.leftovers` tells it.

    Raises:
        HubError: a person cannot work; names the cell or the last events of the start.
        OutOfReachError: the hub could not be asked, or no node takes the server, which says nothing about the release.
    """
    version, answered_s = await _timed(deadline, _prepare(hub, probe, emit, deadline))
    proof = Proof(version, probe.name, len(probe.cells), answered_s, 0, 0, 0, 0)
    try:
        proof = await _use(hub, probe, proof, Watch(redactor, emit, deadline))
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
        await asyncio.sleep(POLL_S)
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
            if deadline.left_s <= POLL_S:
                raise
            await asyncio.sleep(POLL_S)


async def _use(hub: Hub, probe: Probe, proof: Proof, watch: Watch) -> Proof:
    began_s = watch.deadline.elapsed_s
    async with watch.phase("start a server for the probe person", "The start of a server"):
        await hub.create_user(probe.name)
        await start_server(hub, probe, watch)
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
                error.why = watch.redactor.mask(join_lines(error.why, await probe.logs()))
            raise
        cells_s = watch.deadline.elapsed_s
    return replace(
        proof,
        server_started_s=started_s - began_s,
        kernel_s=kernel_s - started_s,
        cells_s=cells_s - kernel_s,
    )


async def _run(kernel: Kernel, cell: Cell, watch: Watch) -> None:
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
                await _sweep(hub, probe)
    except TimeoutError as error:
        what = f"The hub was not ready for a probe within {limit_s:.0f} s"
        where, hint = str(hub.site.http.base_url), "look at the hub's log, then run again"
        raise OutOfReachError(what, where=where, hint=hint) from error
    return version


async def _sweep(hub: Hub, probe: Probe) -> None:
    """A hub that is told to give up a start at the moment in which it ends may fail over it once."""
    for pause_s in _SWEEP_PAUSES_S:
        try:
            return await remove(hub, probe)
        except HubError:
            await asyncio.sleep(pause_s)
    return await remove(hub, probe)


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
