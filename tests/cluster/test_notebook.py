"""A real hub is proved by a notebook, and a person logs in; whatever goes wrong, nothing stays behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cluster.hub_under_test import HubUnderTest
from hubops.checks.cells import load_proof
from hubops.checks.login import verify_login
from hubops.checks.notebook import verify
from hubops.checks.proof_model import Cell, Proof
from hubops.checks.server_start import Probe
from hubops.clients.hub import Hub, log_in, open_hub
from hubops.deadline import Deadline
from hubops.desired.probe import PROBE_NAME
from hubops.errors import HubError, OutOfReachError
from hubops.events import Event, StepStarted
from hubops.secret import Redactor, Secret


@dataclass
class Watcher:
    """Collects what a proof tells, and how often the probe's home was to be removed."""

    events: list[Event] = field(default_factory=list)
    homes_removed: int = 0

    async def remove_home(self) -> None:
        self.homes_removed += 1

    def probe(self, *sources: str, **others: Any) -> Probe:
        cells = tuple(Cell(number, source) for number, source in enumerate(sources, 1)) or load_proof()
        return Probe(PROBE_NAME, cells, self.remove_home, **others)

    def steps(self) -> list[str]:
        return [event.title for event in self.events if isinstance(event, StepStarted)]


@pytest.fixture
async def api(hub: HubUnderTest) -> AsyncIterator[Hub]:
    async with open_hub(hub.url, hub.token) as opened:
        yield opened


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


async def prove(
    api: Hub, watcher: Watcher, probe: Probe, *, limit_s: float = 120, hide: tuple[str, ...] = ()
) -> Proof:
    redactor = Redactor(Secret(value) for value in hide)
    return await verify(api, probe, redactor=redactor, emit=watcher.events.append, deadline=Deadline(limit_s))


async def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.1)


async def test_a_good_image_is_proved_and_nothing_stays(api: Hub, watcher: Watcher) -> None:
    proof = await prove(api, watcher, watcher.probe())
    assert proof.cells == 4
    assert proof.leftovers == ""
    assert proof.hub_version.startswith("5.")
    assert all((proof.server_started_s, proof.kernel_s, proof.cells_s, proof.cleanup_s))
    assert await api.find_server(PROBE_NAME) is None
    assert watcher.homes_removed == 2, "once for what was left, once afterwards"


async def test_what_a_killed_run_left_is_removed_first(api: Hub, watcher: Watcher) -> None:
    await api.create_user(PROBE_NAME)
    await api.start_server(PROBE_NAME, {})
    proof = await prove(api, watcher, watcher.probe("print(1)"))
    assert proof.leftovers == ""
    assert await api.find_server(PROBE_NAME) is None


async def test_a_wrong_result_names_cell_source_and_difference(api: Hub, watcher: Watcher) -> None:
    probe = replace(watcher.probe(), cells=(Cell(1, "x = 1"), Cell(2, "print(x)", stdout="2")))
    with pytest.raises(HubError) as caught:
        await prove(api, watcher, probe)
    assert "Cell 2" in caught.value.what
    assert "print(x)" in caught.value.where
    assert "'1' and must be '2'" in caught.value.why
    assert await api.find_server(PROBE_NAME) is None


async def test_a_failing_cell_shows_the_end_of_its_traceback_masked(api: Hub, watcher: Watcher) -> None:
    probe = watcher.probe(
        "def inner():\n    raise OSError('no key tr0ub4dor&3')", "inner()", "print('never')"
    )
    with pytest.raises(HubError) as caught:
        await prove(api, watcher, probe, hide=("tr0ub4dor&3",))
    assert "Cell 2" in caught.value.what
    assert "OSError: no key ***" in caught.value.why
    assert "\x1b" not in caught.value.why
    assert "tr0ub4dor" not in str(caught.value)
    assert await api.find_server(PROBE_NAME) is None


async def test_a_kernel_that_dies_fails_the_proof(api: Hub, watcher: Watcher) -> None:
    with pytest.raises(HubError, match="Cell 1") as caught:
        await prove(api, watcher, watcher.probe("import os\nos._exit(1)"))
    assert "the kernel died" in caught.value.why


async def test_a_cell_without_end_is_ended_by_the_deadline(api: Hub, watcher: Watcher) -> None:
    with pytest.raises(HubError, match="not done within 15 s"):
        await prove(api, watcher, watcher.probe("while True: pass"), limit_s=15)
    assert await api.find_server(PROBE_NAME) is None


@pytest.mark.parametrize(
    "during", ["start a server for the probe person", "run the notebook", "remove the probe person"]
)
async def test_a_cancelled_proof_ends_soon_and_the_next_one_sweeps(
    api: Hub, watcher: Watcher, during: str
) -> None:
    endless = "import time\ntime.sleep(300 * {})".format(during != "remove the probe person")
    proving = asyncio.create_task(prove(api, watcher, watcher.probe(endless)))
    await wait_until(lambda: during in watcher.steps())
    proving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(proving, 3)
    server = await api.find_server(PROBE_NAME)
    assert server is None or not server.ready or server.pending == "stop"
    await prove(api, watcher, watcher.probe("1"))
    assert await api.find_server(PROBE_NAME) is None


async def test_an_output_may_be_as_large_as_a_figure(api: Hub, watcher: Watcher) -> None:
    cell = Cell(1, "print('x' * 500_000)", stdout="x" * 500_000)
    await prove(api, watcher, replace(watcher.probe(), cells=(cell,)))


async def test_a_home_that_cannot_be_removed_fails_no_proof(api: Hub, watcher: Watcher) -> None:
    async def refuse() -> None:
        watcher.homes_removed += 1
        if watcher.homes_removed > 1:
            raise OutOfReachError("The cluster does not answer")

    proof = await prove(api, watcher, replace(watcher.probe("1"), remove_home=refuse))
    assert "The cluster does not answer" in proof.leftovers


async def test_a_wrong_token_is_refused_and_not_shown(hub: HubUnderTest, watcher: Watcher) -> None:
    async with open_hub(hub.url, Secret("wrong-" + "0" * 40)) as api:
        with pytest.raises(HubError, match="refuses our service") as caught:
            await prove(api, watcher, watcher.probe("1"))
    assert "wrong-" not in str(caught.value)
    assert "Deploy the hub again" in caught.value.hint


async def test_an_address_without_a_hub_is_out_of_reach_and_not_a_failed_proof(
    hub: HubUnderTest, watcher: Watcher
) -> None:
    began = time.monotonic()
    async with open_hub(hub.url.rstrip("/") + "-elsewhere/", hub.token) as api:
        with pytest.raises((OutOfReachError, HubError)) as caught:
            await prove(api, watcher, watcher.probe("1"), limit_s=3)
    assert time.monotonic() - began < 5
    assert "-elsewhere" in caught.value.where


async def test_a_person_logs_in_by_the_form_and_only_with_the_right_password(
    hub: HubUnderTest, watcher: Watcher
) -> None:
    await verify_login(hub.url, hub.username, hub.password, watcher.events.append)
    assert not await log_in(hub.url, hub.username, Secret("not-" + hub.password.reveal()))
    with pytest.raises(HubError, match="right password") as caught:
        await verify_login(hub.url, hub.username, Secret("almost-right"), watcher.events.append)
    assert "almost-right" not in str(caught.value)
