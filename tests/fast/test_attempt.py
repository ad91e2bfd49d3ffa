"""The order of things in a deploy, killed before every step, and what stands at the end.

The records are real requests to an API server in memory. Helm and the notebook are stood in for by a world that
says what they would have done: tests/cluster has them as they are, and cannot kill before every step.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fast.deploys import IMAGE, F, P, U, content
from fast.memory_api import MemoryApi
from hubops import run
from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients.kube import Kube
from hubops.desired.model import Access, Cluster, Hub, Keeping, People
from hubops.desired.probe import SERVICE_NAME
from hubops.errors import HubError, HubopsError, OutOfReachError, RefusedError, ReleaseError, RolledBackError
from hubops.execute import records
from hubops.execute.bundle import Bundle
from hubops.execute.content import Deployed
from hubops.run.attempt import Made
from hubops.run.people import PeopleChange
from hubops.run.session import service_token
from hubops.secret import Redactor
from hubops.state.model import Commit, History
from hubops.state.records import read_history

HUB = Hub(
    "staging", directory=Path(), stage="staging", cluster=Cluster("local", local=True), image="", release="staging",
    namespace="staging", path="/", prefix="", values={}, people=People(allowed=("one",)),
)  # fmt: skip
FLEET: Any = SimpleNamespace(root=Path("/nowhere"), hubs={"prover": replace(HUB, name="prover")})


class KilledError(BaseException):
    """As if by SIGKILL: nothing after it is done."""


class World:
    """A cluster, and what goes wrong with each content: by key, "refused", "rollout", "proof" or "away"."""

    def __init__(self, directory: Path) -> None:
        self.api = MemoryApi()
        self.directory = directory
        self.runs = self.label = ""
        self.wrong: dict[str, str] = {}
        self.token = "t" * 64
        self.done: list[str] = []
        self.people: list[str] = []
        self.people_fail = False
        self.registry: dict[str, Answer[str]] = {}
        self.keeping = Keeping()
        self.images: dict[str, str] = {}
        self.steps_left = -1
        self.kube: Kube

    def step(self, name: str) -> None:
        if self.steps_left == 0:
            raise KilledError
        self.steps_left -= 1
        self.done.append(name)

    async def bring(self, upgrade: Any, label: str, writer: Any, *_: Any, **__: Any) -> None:
        key = (upgrade.chart / "key").read_text()
        wrong = self.wrong.get(key, "")
        if self.label != label:
            self.step(f"helm {key}")
            if wrong == "refused":
                raise ReleaseError("helm refuses the values")
            writer.gate.writes.append("write")
            self.runs, self.label = key, ""
            self.step(f"wait {key}")
            if wrong != "rollout":
                self.label = label
        if wrong == "rollout":
            raise ReleaseError("hub is in a crash loop")
        if wrong == "away":
            raise OutOfReachError("the cluster does not answer")

    async def prove(self, *_: Any) -> None:
        self.step(f"prove {self.runs}")
        if self.wrong.get(self.runs) == "proof":
            raise HubError("cell 3 says 5, not 4")
        if self.wrong.get(self.runs) == "another helm":
            self.label = "another's"

    async def read_deployed(self, *_: Any) -> Deployed:
        return Deployed(bool(self.label), self.label)

    @asynccontextmanager
    async def writer(self, *_: Any) -> AsyncIterator[Any]:
        lease = SimpleNamespace(holder="me@here process 1.1 boot x", inherited="")
        yield SimpleNamespace(kube=self.kube, lease=lease, gate=SimpleNamespace(writes=[]))

    async def deploy(
        self, key: str, *, hub: Hub = HUB, prover: History | None = None, **terms: Any
    ) -> run.Deployed:
        """Deploy content whose key is `key`, as a run of its own."""
        session = self.session()
        chart = session.directory / "chart"
        chart.mkdir()
        (chart / "key").write_text(key)
        session.wanted = Bundle(
            session.directory, chart, content(key, images={"course": self.images.get(key, IMAGE)})
        )
        return await run.deploy(FLEET, hub, session, run.Terms(**terms), prover)

    async def apply_people(self, hub: Hub) -> Made:
        return await run.apply_people(hub, self.session())

    def session(self) -> Any:
        directory = self.directory / f"run {len(list(self.directory.iterdir()))}"
        directory.mkdir()
        machine = SimpleNamespace(
            secrets=lambda hub: secrets(self.token), opened=lambda hub: hub, workshop=SimpleNamespace(registry=self),
            keeping=self.keeping,
        )  # fmt: skip
        return SimpleNamespace(
            machine=machine, directory=directory, emit=lambda event: None, redactor=Redactor(), kube=self.kube,
        )  # fmt: skip

    async def find_digest(self, repository: str, digest: str, **_: Any) -> Answer[str]:
        """The registry: what was pushed is there until somebody deletes it."""
        return self.registry.get(f"{repository}@{digest}", Present(digest))

    async def merge(self, key: str, **terms: Any) -> str:
        """As `hubops ci merge`: what came of it."""
        try:
            return (await self.deploy(key, keep_people=True, **terms)).decision.course.value
        except HubopsError as error:
            return type(error).__name__

    async def history(self) -> History:
        return await read_history(self.kube, "staging")


def secrets(token: str) -> dict[str, Any]:
    return {"hub": {"services": {SERVICE_NAME: {"apiToken": token}}}}


class Killable(Kube):
    """A kill comes before a write reaches the cluster, or after it."""

    world: World

    async def request(self, method: str, path: str, **more: Any) -> Any:
        if method != "GET":
            self.world.step(f"{method} {path.rpartition('/')[2]}")
        return await super().request(method, path, **more)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    world = World(tmp_path)

    async def wanted(fleet: Any, hub: Any, session: Any) -> Bundle:
        found: Bundle = session.wanted
        return found

    for name, stand_in in (("attempt.bring", world.bring), ("verify.prove", world.prove), ("attempt.read_deployed", world.read_deployed), ("attempt.open_writer", world.writer)):  # fmt: skip
        monkeypatch.setattr(f"hubops.run.{name}", stand_in)

    async def before(change: PeopleChange, wanted: Access, *, rolled_out: bool) -> None:
        assert rolled_out == bool(world.label)
        world.people.append(f"before, on {world.runs}: {' '.join(sorted(wanted.named))}")

    async def after(change: PeopleChange, wanted: Access, *, upgraded: bool) -> None:
        world.people.append(f"after, on {world.runs}: {' '.join(sorted(wanted.named))}")
        change.failure = HubError("somebody is still there") if world.people_fail else None

    monkeypatch.setattr(PeopleChange, "before", before)
    monkeypatch.setattr(PeopleChange, "after", after)
    monkeypatch.setattr("hubops.run.hub.hold_and_write", world.writer)
    monkeypatch.setattr("hubops.run.hub.wanted_bundle", wanted)
    async with world.api.open() as kube:
        kube.__class__ = Killable
        kube.world = world  # type: ignore[attr-defined]
        world.kube = kube
        yield world


async def test_the_first_deploy_is_proved_and_the_same_again_is_nothing(world: World) -> None:
    made = (await world.deploy("a")).made
    assert (made.number, made.proved) == (1, True)
    world.done.clear()
    assert (await world.deploy("a")).made.number == 0
    assert world.done == []


@pytest.mark.parametrize(("days", "known"), [(90, [1, 2, 3]), (0, [3])])
async def test_a_release_is_known_for_as_long_as_its_images_are_kept(
    days: int, known: list[int], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "KEPT_RECORDS", 1)
    world.keeping, world.images = Keeping(rollback_days=days), {key: f"{IMAGE}-{key}" for key in "abc"}
    for key in "abc":
        await world.deploy(key)
    assert [record.number for record in (await world.history()).records] == known


async def test_people_alone_are_brought_without_a_proof_and_secrets_with_one(world: World) -> None:
    await world.deploy("a")
    people = replace(HUB, people=People(allowed=("one", "two")))
    made = (await world.deploy("a", hub=people)).made
    assert (made.number, made.proved) == (2, False)
    world.token = "u" * 64
    made = (await world.deploy("a", hub=people)).made
    assert (made.number, made.proved) == (3, True)
    found = await world.history()
    assert [r.kept for r in found.records] == [True, False, True]
    assert found.restorable == found.records[2]


async def test_people_leave_before_helm_and_again_before_the_proof(world: World) -> None:
    await world.deploy("a")
    world.people.clear()
    world.wrong["b"] = "proof"
    people = replace(HUB, people=People(admins=("two",), allowed=("one",)))
    with pytest.raises(RolledBackError):
        await world.deploy("b", hub=people)
    assert world.people == ["before, on a: one two", "after, on b: one two", "after, on a: one two"]


async def test_somebody_who_is_still_there_fails_the_deploy_and_not_its_content(world: World) -> None:
    world.people_fail = True
    with pytest.raises(HubError, match="somebody is still there"):
        await world.deploy("a")
    assert [r.ending for r in (await world.history()).records] == [P]
    with pytest.raises(HubError, match="somebody is still there"):
        await world.deploy("a")
    world.people_fail = False
    assert (await world.deploy("a")).made.number == 0


async def test_people_at_once_keep_the_content_and_its_commit(world: World) -> None:
    with pytest.raises(RefusedError, match="no deploy of staging was proved"):
        await world.apply_people(HUB)
    await world.deploy("a", commit=Commit("c0ffee", "2026-03-01T09:00:00+00:00"), backwards=True)
    made = await world.apply_people(replace(HUB, people=People(allowed=("two",))))
    assert (made.number, made.proved) == (2, False)
    assert world.people[-2:] == ["before, on a: two", "after, on a: two"]
    assert [r.commit.hash for r in (await world.history()).records] == ["c0ffee", "c0ffee"]


async def test_encrypted_names_are_in_no_file(world: World) -> None:
    secret = People(allowed=("canary",), encrypted=True)
    await world.deploy("a", hub=replace(HUB, people=secret))
    assert world.people[0] == "before, on : canary"
    assert [
        file for file in world.directory.rglob("*") if file.is_file() and b"canary" in file.read_bytes()
    ] == []


async def test_what_plain_helm_changed_is_proved_anew(world: World) -> None:
    await world.deploy("a")
    world.label = ""
    made = (await world.deploy("a")).made
    assert (made.number, made.proved) == (2, True)


@pytest.mark.parametrize("wrong", ["rollout", "proof"])
async def test_what_fails_is_taken_back_and_held(wrong: str, world: World) -> None:
    await world.deploy("a")
    world.wrong["b"] = wrong
    with pytest.raises(RolledBackError, match="deploy 2 of staging failed; what deploy 1 proved is back"):
        await world.deploy("b")
    found = await world.history()
    assert [r.ending for r in found.records] == [P, F, P]
    assert (world.runs, found.records[2].rollback_of) == ("a", 2)
    world.done.clear()
    assert await world.merge("b") == "held"
    assert world.done == []
    assert await world.merge("c") == "deploy"
    assert world.runs == "c"


async def test_what_helm_refuses_is_held_but_nothing_is_taken_back(world: World) -> None:
    await world.deploy("a")
    world.wrong["b"] = "refused"
    assert await world.merge("b") == "ReleaseError"
    found = await world.history()
    assert [r.ending for r in found.records] == [P, F]
    assert found.standing == found.records[0]
    assert "wait b" not in world.done
    assert await world.merge("b") == "held"


async def test_what_nobody_can_tell_is_neither_held_nor_taken_back(world: World) -> None:
    await world.deploy("a")
    world.wrong["b"] = "away"
    assert await world.merge("b") == "OutOfReachError"
    assert world.runs == "b"
    world.wrong.clear()
    assert await world.merge("b") == "deploy"
    assert (await world.history()).settled


async def test_what_another_helm_changed_during_the_proof_is_not_called_proved(world: World) -> None:
    await world.deploy("a")
    world.wrong["b"] = "another helm"
    with pytest.raises(OutOfReachError, match="the release staging is another's by now"):
        await world.deploy("b")
    assert [r.ending for r in (await world.history()).records] == [P, U]
    world.wrong.clear()
    assert (await world.deploy("b")).made.proved, "the next run finds out"


async def test_without_a_kept_chart_the_failure_says_that_nothing_comes_back(world: World) -> None:
    await world.deploy("a")
    del world.api.objects["/api/v1/namespaces/hubops/secrets/deploy-staging-1"]["data"]["bundle"]
    world.wrong["b"] = "proof"
    with pytest.raises(HubError, match="cannot come back: its chart is not kept"):
        await world.deploy("b")
    assert await world.merge("b") == "held"
    assert await world.merge("a") == "deploy"
    assert world.runs == "a"


@pytest.mark.parametrize("wrong", ["refused", "rollout", "proof", "away"])
async def test_what_does_not_come_back_either_is_told_and_tried_again(wrong: str, world: World) -> None:
    await world.deploy("a")
    world.wrong = {"b": "proof", "a": wrong}
    with pytest.raises(HubError, match="does not come back") as caught:
        await world.deploy("b")
    assert "cell 3" in caught.value.what
    world.wrong["a"] = ""
    assert await world.merge("b") == "held"
    assert world.runs == "a"
    assert [r.ending for r in (await world.history()).records] == [P, F, U, P]


LOST = "r.example.org/course@sha256:1"


async def test_what_the_registry_has_lost_is_not_given_to_helm(world: World) -> None:
    await world.deploy("a")
    world.wrong["b"] = "proof"
    assert await world.merge("b") == "RolledBackError"
    world.registry[LOST] = Absent()
    world.done.clear()
    with pytest.raises(RefusedError, match="not in the registry any more") as caught:
        await world.deploy("b", keep_people=True)
    assert caught.value.why == "r.example.org/course:c1@sha256:1"
    assert world.done == []
    world.wrong["c"] = "proof"
    with pytest.raises(HubError, match="does not come back: what deploy 3 proved cannot") as failed:
        await world.deploy("c")
    assert "cell 3" in failed.value.what
    # Who cannot tell does not say that it is lost.
    world.registry[LOST] = Unknown("HTTP 500")
    assert await world.merge("c") == "held"
    assert world.runs == "a"


async def test_what_a_killed_run_left_is_taken_back_even_where_helm_refuses_what_comes_next(
    world: World,
) -> None:
    await world.deploy("a")
    world.steps_left = 3  # the record, helm, its end
    with pytest.raises(KilledError):
        await world.deploy("b")
    assert world.runs == "b"
    world.steps_left = -1
    world.wrong["c"] = "refused"
    assert await world.merge("c") == "RolledBackError"
    assert world.runs == "a"


async def test_people_come_while_content_is_held_and_it_stays_told(world: World) -> None:
    await world.deploy("a")
    world.wrong["b"] = "proof"
    assert await world.merge("b") == "RolledBackError"
    people = replace(HUB, people=People(allowed=("one", "two")))
    made = (await world.deploy("b", hub=people, keep_people=True)).made
    assert (made.number, made.proved) == (4, False)
    failed = (await world.history()).open_failure
    assert failed
    assert failed.number == 2


async def test_a_refusal_touches_nothing(world: World) -> None:
    await world.deploy("a")
    world.wrong["b"] = "proof"
    assert await world.merge("b") == "RolledBackError"
    world.done.clear()
    with pytest.raises(RefusedError, match="not deployed: held"):
        await world.deploy("b")
    with pytest.raises(RefusedError, match="not deployed: waits for proof"):
        await world.deploy("c", prover=History("prover"))
    assert world.done == []


async def test_an_override_is_recorded_where_there_is_no_proof_and_not_with_the_way_back(
    world: World,
) -> None:
    await world.deploy("a", override="exam", prover=History("prover"))
    world.wrong["b"] = "proof"
    with pytest.raises(RolledBackError):
        await world.deploy("b", override="exam", prover=History("prover"))
    assert [r.override for r in (await world.history()).records] == ["exam", "exam", ""]
    proved = replace((await world.history()).records[0], content=content("c"), hub="prover", ending=P)
    await world.deploy("c", override="exam", prover=History("prover", [proved]))
    assert (await world.history()).records[-1].override == ""


@pytest.mark.parametrize("steps", range(11))
@pytest.mark.parametrize("wrong", ["", "refused", "rollout", "proof", "away"])
@pytest.mark.parametrize("keep_people", [True, False])
async def test_a_kill_before_any_step_is_healed_by_the_next_run(
    wrong: str, steps: int, world: World, *, keep_people: bool
) -> None:
    await world.deploy("a")
    world.wrong["b"], world.steps_left = wrong, steps
    with contextlib.suppress(KilledError, HubopsError):
        await world.deploy("b", keep_people=True)
    world.steps_left = -1
    with contextlib.suppress(HubopsError):
        await world.deploy("b", keep_people=keep_people)
    found = await world.history()
    if wrong == "away":
        assert world.runs == "b"
    else:
        assert found.settled
        assert world.runs == ("a" if wrong else "b")
        assert world.label
    assert bool(found.held("b")) == (wrong not in {"", "away"})
    assert await world.merge("c") == "deploy"
    assert world.runs == "c"


# --- the proof that nobody can read, and the token that is not there


async def test_an_override_goes_on_where_the_provers_cluster_is_away(world: World) -> None:
    async def away(cluster: Any) -> Any:
        raise OutOfReachError(f"{cluster.name} is away")

    elsewhere: Any = SimpleNamespace(root=Path("/nowhere"), hubs={"prover": replace(HUB, name="prover", cluster=Cluster("far"))})  # fmt: skip
    ways: Any = SimpleNamespace(machine=away)
    hub = replace(HUB, proved_by="prover")
    seen: list[History | None] = []

    async def deploy(fleet: Any, hub: Any, session: Any, terms: Any, prover: Any) -> None:
        seen.append(prover)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hubops.run.fleet.deploy", deploy)
        session: Any = SimpleNamespace(kube=world.kube)
        with pytest.raises(OutOfReachError):
            await run.deploy_in_turn(elsewhere, hub, session, run.Terms(), ways)
        await run.deploy_in_turn(elsewhere, hub, session, run.Terms(override="exam"), ways)
    assert seen == [History("prover")]


@pytest.mark.parametrize(
    "found", [{}, {"hub": None}, {"hub": {"services": {SERVICE_NAME: {"apiToken": ""}}}}]
)
def test_secrets_without_the_proofs_token_are_refused(found: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match=f"hub.services.{SERVICE_NAME}.apiToken"):
        service_token(found)
    assert service_token(secrets("x" * 64)).reveal() == "x" * 64
