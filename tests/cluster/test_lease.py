"""The lease on a real API server: who waits, who inherits, who lost it."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.conftest import Cluster
from hubops.answer import Present
from hubops.clients.kube import Json, Kube
from hubops.errors import RefusedError
from hubops.events import Event, Remark
from hubops.execute.lease import LAPSE_S, Lease, hold, now

LEASES = "/apis/coordination.k8s.io/v1/namespaces/hubops/leases"


class Clock:
    """Time that passes when somebody sleeps, and not else."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


async def for_ever(_seconds: float) -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def hub(kube: Kube, namespace: str) -> AsyncIterator[str]:
    yield namespace
    await kube.delete(f"{LEASES}/deploy-{namespace}")


def ignore(_event: Event) -> None:
    pass


async def read(kube: Kube, hub: str) -> Json:
    found = await kube.find(f"{LEASES}/deploy-{hub}")
    assert isinstance(found, Present)
    return found.value


async def test_a_lease_is_created_held_and_released(kube: Kube, hub: str) -> None:
    async with hold(kube, hub, ignore, holder="one") as lease:
        assert lease.inherited == ""
        lease.require_held()
        assert (await read(kube, hub))["spec"]["holderIdentity"] == "one"
    assert (await read(kube, hub))["spec"]["holderIdentity"] == ""
    async with hold(kube, hub, ignore, holder="two") as lease:
        assert lease.inherited == ""


async def test_a_second_holder_waits_and_says_for_whom(kube: Kube, hub: str) -> None:
    events: list[Event] = []
    order: list[str] = []

    async def second() -> None:
        async with hold(kube, hub, events.append, holder="two") as lease:
            order.append("two")
            assert lease.inherited == ""

    async with hold(kube, hub, ignore, holder="one@host process 12.345 boot elsewhere"):
        waiting = asyncio.create_task(second())
        while not events:
            await asyncio.sleep(0.05)
        order.append("one")
    await asyncio.wait_for(waiting, 10)
    assert order == ["one", "two"]
    assert events == [Remark(f"waiting for one@host process 12, who deploys {hub}")]


async def test_of_many_at_once_there_is_only_ever_one(kube: Kube, hub: str) -> None:
    inside: list[int] = []
    most = 0

    async def enter(number: int) -> None:
        nonlocal most
        async with hold(kube, hub, ignore, holder=str(number)):
            inside.append(number)
            most = max(most, len(inside))
            await asyncio.sleep(0.05)
            inside.remove(number)

    await asyncio.wait_for(asyncio.gather(*map(enter, range(5))), 60)
    assert most == 1


async def test_a_silent_holder_elsewhere_is_inherited_after_fifteen_seconds_of_our_clock(
    kube: Kube, hub: str
) -> None:
    async with hold(kube, hub, ignore, holder="elsewhere", sleep=for_ever) as old:
        clock = Clock()
        began = clock.now
        async with hold(kube, hub, ignore, holder="two", clock=clock, sleep=clock.sleep) as lease:
            assert lease.inherited == "elsewhere"
            assert 15 <= (clock.now - began).total_seconds() < 17
            # The old one cannot renew, and its release leaves the new one alone.
            assert old.holder == "elsewhere"
        assert (await read(kube, hub))["spec"]["holderIdentity"] == ""


async def test_a_renewed_lease_is_never_taken_however_wrong_its_clock(kube: Kube, hub: str) -> None:
    async with hold(kube, hub, ignore, holder="one"):
        lease = await read(kube, hub)
        spec = {**lease["spec"], "renewTime": "2001-01-01T00:00:00.000000Z"}
        await kube.replace(f"{LEASES}/deploy-{hub}", {**lease, "spec": spec})
        waiting = asyncio.create_task(enter(kube, hub))
        await asyncio.sleep(3)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def enter(kube: Kube, hub: str) -> None:
    async with hold(kube, hub, ignore, holder="two"):
        pass


async def test_a_helm_that_an_error_left_at_work_is_inherited_until_somebody_finishes(
    kube: Kube, hub: str
) -> None:
    async def fail(holder: str, *, at_work: bool) -> None:
        with contextlib.suppress(ZeroDivisionError):
            async with hold(kube, hub, ignore, holder=holder) as lease:
                lease.at_work = at_work
                raise ZeroDivisionError

    await fail("none", at_work=False)
    async with hold(kube, hub, ignore, holder="zero") as lease:
        assert lease.inherited == "", "who was refused before helm left nothing"
    await fail("one", at_work=True)
    await fail("again", at_work=False)
    async with hold(kube, hub, ignore, holder="two") as lease:
        assert lease.inherited == "one"
    async with hold(kube, hub, ignore, holder="three") as lease:
        assert lease.inherited == ""


async def test_a_holder_that_cannot_renew_stops_writing(kube: Kube, hub: str) -> None:
    clock = Clock()
    async with hold(kube, hub, ignore, holder="one", clock=clock, sleep=for_ever) as lease:
        clock.now += timedelta(seconds=LAPSE_S)
        with pytest.raises(RefusedError):
            lease.require_held()


async def test_renewing_keeps_the_lease(kube: Kube, hub: str) -> None:
    async with hold(kube, hub, ignore, holder="one") as lease:
        before = lease.renewed_at
        async with asyncio.timeout(10):
            while lease.renewed_at == before:
                await asyncio.sleep(0.1)
        lease.require_held()


HOLDS = """
import asyncio, sys, tempfile
from pathlib import Path
from hubops.clients.kube import Kube, connect
from hubops.execute.lease import hold
async def main():
    async with connect(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])) as connection:
        async with hold(Kube(connection.client), sys.argv[5], print):
            print("held", flush=True)
            await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised by /proc")
async def test_a_process_killed_on_this_machine_is_inherited_at_once(
    cluster: Cluster, kube: Kube, hub: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        arguments = [cluster.kubectl, cluster.kubeconfig, cluster.context, directory, hub]
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HOLDS, *map(str, arguments)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        )
        assert child.stdout
        assert await child.stdout.readline() == b"held\n"
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with hold(kube, hub, ignore) as lease:
        assert loop.time() - began < 2
        assert f"process {child.pid}." in lease.inherited


def test_the_lease_lives_where_records_live() -> None:
    assert Lease("h", "me", "", now(), now).path == f"{LEASES}/deploy-h"
