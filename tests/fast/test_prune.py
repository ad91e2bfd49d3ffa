"""Pruning never takes what is needed later: one case for each reason, and a thousand random histories."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fast.deploys import F, K, P, U, history, record
from fast.image_histories import IMAGES, KEPT_RECORDS, World
from hubops.execute import records
from hubops.plan.prune import decide_prune
from hubops.plan.prune_needs import recorded_needs
from hubops.state.image_model import Need, Stored

NOW = datetime(2026, 3, 10, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HISTORIES = [*range(60), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(60, 1000))]


@pytest.fixture(autouse=True)
def few_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT_RECORDS", KEPT_RECORDS)


@pytest.mark.parametrize("seed", HISTORIES)
def test_nothing_that_is_needed_later_is_deleted(seed: int) -> None:
    world = World(random.Random(seed))
    for _ in range(30):
        for _ in range(world.chance.randrange(12)):
            world.step()
        needed = world.needed_later()
        heads = {(i, tag) for head in world.branches.values() for i, tag in head.items()} & world.tags.keys()
        before = dict(world.manifests)
        world.prune()
        require_there(world, needed, before)
        require_there(world, world.needed_later(), before)
        for image, tag in heads & {(i, t) for head in world.branches.values() for i, t in head.items()}:
            assert (image, tag) in world.tags, "a branch would have to be built again"
        known = {*world.tags.values(), *world.needed_later()}  # an index without both nobody can find
        for (image, digest), below in (
            (key, below) for key, below in world.manifests.items() if key[1] in known
        ):
            assert all((image, child) in world.manifests for child in below), f"{digest} lost a part"
    # And what nobody needs does go in the end.
    world.branches = {"main": world.branches["main"]}
    world.written.clear()
    for hub in world.hubs.values():
        hub.records, hub.pods = hub.records[-1:], []
    for _ in range(3):
        world.wait()
        world.now += 100 * DAY
        world.chance = random.Random(0)
        world.chance.randrange = lambda *_: 0  # type: ignore[method-assign]  # the least of all chances
        world.prune()
    left = {tag for _, tag in world.tags if tag.startswith("c")}
    wanted = set(world.branches["main"].values())
    wanted |= {
        image.split(":")[1].split("@")[0]
        for hub in world.hubs.values()
        for r in hub.records
        for image in r.content.images.values()
    }
    foreign = {digest for (_, tag), digest in world.tags.items() if not tag.startswith("c")}
    assert {
        tag for (_, tag), digest in world.tags.items() if tag in left - wanted and digest not in foreign
    } == set()


def require_there(world: World, needed: Mapping[str, str], before: Mapping[tuple[str, str], object]) -> None:
    lost = [
        digest
        for digest in needed
        if any((i, digest) in before and (i, digest) not in world.manifests for i in IMAGES)
    ]
    assert not lost, [needed[digest] for digest in lost]


def test_the_histories_are_not_idle() -> None:
    worlds = [World(random.Random(seed)) for seed in range(20)]
    for world in worlds:
        for _ in range(20):
            for _ in range(5):
                world.step()
            world.prune()
    assert sum(world.deleted for world in worlds) > 100
    assert all(hub.records for world in worlds for hub in world.hubs.values())


# --- one case for each reason

ENDINGS = [
    ("stands", [record(1, P)], {1}),
    ("stands, although it failed", [record(1, P, kept=True), record(2, F, "b")], {1, 2}),
    ("under way", [record(1, P), record(2, K, "b")], {1, 2}),
    ("killed long ago", [record(1, K), record(2, P, "b"), record(3, P, "c")], {1, 3}),
    ("its chart is kept", [record(1, P, kept=True), record(2, P, "b"), record(3, P, "c")], {1, 3}),
    ("held", [record(1, F), record(2, P, "b"), record(3, P, "c")], {1, 3}),
    (
        "failed, and proved after that",
        [record(1, F), record(2, P), record(3, P, "c"), record(4, P, "d")],
        {4},
    ),
    ("nobody could tell, and others came", [record(1, U), record(2, P, "b")], {2}),
    ("the newest, which touched nothing", [record(1, P), record(2, U, "b", touched=False)], {1, 2}),
]


@pytest.mark.parametrize(
    ("records", "kept"), [case[1:] for case in ENDINGS], ids=[case[0] for case in ENDINGS]
)
def test_what_was_recorded_keeps_images(records: list[Any], kept: set[int]) -> None:
    """The replaced ones are older than the horizon."""
    own = [
        replace(r, content=replace(r.content, images={"earth": f"r/earth@sha256:{r.number}"}))
        for r in records
    ]
    needs = recorded_needs(history(*own), NOW + 365 * DAY, 0 * DAY)
    assert {int(need.image.rpartition(":")[2]) for need in needs} == kept


@pytest.mark.parametrize(("days", "kept"), [(4, {1, 2, 3}), (3, {2, 3}), (2, {3})])
def test_a_proved_release_is_kept_for_some_time_after_it_was_replaced(days: int, kept: set[int]) -> None:
    """Not after it was made: it may have run for a year."""
    own = [
        replace(record(number, P, str(number)), at=f"2026-03-0{number}T00:00:00+00:00")
        for number in (1, 5, 6)
    ]
    own = [
        replace(r, content=replace(r.content, images={"earth": f"r/earth@sha256:{n}"}))
        for n, r in enumerate(own, 1)
    ]
    now = datetime(2026, 3, 9, tzinfo=UTC)
    needs = recorded_needs(history(*own), now, days * DAY)
    assert {int(need.image.rpartition(":")[2]) for need in needs} == kept


def one(
    tags: dict[str, str], needs: list[str], since: timedelta = 2 * DAY, **children: list[str]
) -> list[tuple[str, ...]]:
    """What is deleted of a repository whose images are all known to be spare `since` then."""
    stored = Stored("r/earth", tags, children)
    marks = {f"r/earth@{digest}": NOW - since for digest in tags.values()}
    found = decide_prune([stored], [Need(need, "somebody") for need in needs], marks, NOW, DAY)
    return [(each.digest, *each.tags, *each.children) for each in found.delete]


def test_by_digest_and_with_every_tag() -> None:
    tags = {"c1": "x", "c2": "x", "c3": "y"}
    assert one(tags, []) == [("x", "c1", "c2"), ("y", "c3")]
    assert one(tags, ["r/earth:c2"]) == [("y", "c3")]
    assert one(tags, ["r/earth:c9@y"]) == [("x", "c1", "c2")]
    assert one(tags, ["another-name-of-r/earth@x", "r/earth:c3"]) == []
    # A record keeps the digest that it has, and not what its tag became.
    assert one(tags, ["r/earth:c3@x"]) == [("y", "c3")]


def test_what_is_in_an_index() -> None:
    tags = {"c1": "x", "c2": "y"}
    assert one(tags, [], x=["a", "b"], y=["b"]) == [("x", "c1", "a", "b"), ("y", "c2", "b")]
    assert one(tags, ["r/earth:c2"], x=["a", "b"], y=["b"]) == [("x", "c1", "a")]
    # Of one that only a record knows, for its tag went to another; an index in an index; a part with a tag.
    assert one(tags, ["r/earth:c2@z"], x=["a", "b"], z=["b", "y"]) == [("x", "c1", "a")]
    assert one(tags, ["r/earth:c2"], x=["a"], y=["m"], m=["a"]) == [("x", "c1")]
    assert one(tags, ["r/earth@a"], x=["a"]) == [("x", "c1"), ("y", "c2")]


def test_what_was_spare_for_too_short_a_time_waits() -> None:
    assert one({"c1": "x"}, [], since=23 * HOUR) == []
    assert one({"c1": "x"}, [], since=24 * HOUR) == [("x", "c1")]
    assert one({"c1": "x"}, [], since=-5 * DAY) == []
    stored, marks = (
        Stored("r/earth", {"c1": "x", "c2": "y"}),
        {"r/earth@x": NOW - 2 * DAY, "r/earth@y": NOW - 2 * DAY},
    )
    found = decide_prune([stored], [Need("r/earth:c1", "branch main")], marks, NOW, 3 * DAY)
    assert [each.digest for each in found.wait] == ["y"]
    # Whoever is needed again begins anew when nobody needs it any more.
    assert found.marks == {"r/earth@y": NOW - 2 * DAY}
    assert [(each.digest, each.reasons) for each in found.kept] == [("x", ("branch main",))]


def test_no_more_is_deleted_than_was_agreed_to() -> None:
    stored = Stored("r/earth", {"c1": "x", "c2": "y", "c3": "z"}, {"x": ["p"], "y": ["p"]})
    marks = {f"r/earth@{digest}": NOW - 2 * DAY for digest in "xyz"}
    first = decide_prune([stored], [Need("r/earth:c2", "a branch")], marks, NOW, DAY)
    assert [each.digest for each in first.delete] == ["x", "z"]
    tagged = replace(stored, tags={**stored.tags, "c4": "z"})
    second = decide_prune([tagged], [], marks, NOW, DAY, agreed=first)
    # The branch is gone since, and a tag came; what both have in them stays with the one that stays.
    assert [(each.digest, each.children) for each in second.delete] == [("x", ())]
    assert [each.digest for each in second.wait] == ["y", "z"]
