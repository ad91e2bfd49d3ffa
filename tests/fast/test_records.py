"""Records in the cluster: what is written is what is read, numbered, ended, and forgotten in time."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fast.deploys import F, K, P, U, history, record
from fast.memory_api import MemoryApi
from hubops.clients.kube import Kube
from hubops.errors import ClusterError, OutOfReachError, RefusedError
from hubops.execute import records
from hubops.execute.mark import mark_cluster, require_cluster
from hubops.state.live import read_logs
from hubops.state.model import RECORDS, Ending, History, Record
from hubops.state.records import read_bundle, read_histories, read_history

LATER, EARLIER = (datetime(year, 1, 1, tzinfo=UTC) for year in (2027, 2026))  # than every record here
VALUES = {"jupyterhub": {"a": [1, 2.5, None, True, "ü"], "empty": {}, "0604373": "0604373"}}


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
async def kube(api: MemoryApi) -> AsyncIterator[Kube]:
    async with api.open() as kube:
        yield kube


async def write(kube: Kube, ending: Ending, key: str = "a", *, bundle: bytes = b"", **changes: Any) -> Record:
    """One attempt from its beginning to its end."""
    own = await read_history(kube, "staging")
    begun = await records.begin(kube, record(0, K, key, **changes), own)
    return await records.end(kube, replace(begun, ending=ending), bundle=bundle)


async def test_what_was_written_is_read(kube: Kube) -> None:
    full = record(
        0, K, about={"values": VALUES, "prefix": "jupyterhub"}, why="why", override="exam", rollback_of=3, touched=False
    )  # fmt: skip
    begun = await records.begin(kube, full, History("staging"))
    assert begun == replace(full, number=1)
    assert await read_history(kube, "staging") == history(begun)
    ended = await records.end(kube, replace(begun, ending=F, why="the cell"), bundle=b"\0chart")
    assert ended.kept
    assert await read_history(kube, "staging") == history(ended)
    assert await read_bundle(kube, ended) == b"\0chart"


async def test_an_attempt_is_known_from_its_beginning(kube: Kube) -> None:
    await records.begin(kube, record(0, K), History("staging"))
    found = (await read_history(kube, "staging")).latest
    assert found
    assert (found.ending, found.kept) == (K, False)


async def test_numbers_go_on_and_are_not_those_of_other_hubs(api: MemoryApi, kube: Kube) -> None:
    for _ in range(11):
        await write(kube, P)
    await records.begin(kube, record(0, K, hub="staging-2"), await read_history(kube, "staging-2"))
    found = await read_histories(kube)
    assert [r.number for r in found["staging"].records] == list(range(1, 12))
    assert [r.number for r in found["staging-2"].records] == [1]
    assert await read_history(kube, "course") == History("course")
    assert len(api.objects) == 12


async def test_a_number_that_another_was_faster_to_take_is_refused(kube: Kube) -> None:
    await records.begin(kube, record(0, K), History("staging"))
    with pytest.raises(ClusterError, match="already exists"):
        await records.begin(kube, record(0, K), History("staging"))


async def test_a_chart_that_is_too_large_is_not_kept(api: MemoryApi, kube: Kube) -> None:
    ended = await write(kube, P, bundle=b"x" * 700_001)
    assert not ended.kept
    assert (await read_history(kube, "staging")).records == (ended,)
    assert (await read_history(kube, "staging")).restorable is None
    assert len(json.dumps(list(api.objects.values()))) < 10_000
    assert (await write(kube, P, bundle=b"x" * 700_000)).kept


@pytest.mark.parametrize(
    ("status", "error"), [(503, OutOfReachError), (429, OutOfReachError), (403, ClusterError)]
)
async def test_what_cannot_be_read_is_not_nothing(
    status: int, error: type[Exception], api: MemoryApi, kube: Kube
) -> None:
    api.fault = lambda method, path: status
    with pytest.raises(error):
        await read_history(kube, "staging")
    with pytest.raises(error):
        await records.begin(kube, record(0, K), History("staging"))


async def test_where_there_is_no_namespace_yet_there_is_nothing(api: MemoryApi, kube: Kube) -> None:
    api.fault = lambda method, path: 404
    assert await read_history(kube, "staging") == History("staging")


async def test_one_record_that_is_not_understood_stops_its_hub(api: MemoryApi, kube: Kube) -> None:
    await write(kube, P)
    api.objects[f"{RECORDS}/deploy-staging-1"]["data"]["record"] = "bm8="
    with pytest.raises(RefusedError, match="deploy-staging-1"):
        await read_history(kube, "staging")


# --- forgetting


def many(count: int, **changes: Any) -> list[Record]:
    return [record(number, P, **changes) for number in range(1, count + 1)]


async def store(api: MemoryApi, kube: Kube, found: list[Record]) -> History:
    for each in found:
        begun = await records.begin(kube, replace(each, kept=False), history(record(each.number - 1, P)))
        await records.end(kube, replace(begun, ending=each.ending), bundle=b"x" if each.kept else b"")
    api.writes.clear()
    return await read_history(kube, "staging")


async def pruned(api: MemoryApi, kube: Kube, found: list[Record], since: datetime = LATER) -> History:
    await records.prune(kube, await store(api, kube, found), since)
    return await read_history(kube, "staging")


async def test_little_is_not_forgotten(api: MemoryApi, kube: Kube) -> None:
    await pruned(api, kube, many(50)[:5])
    await pruned(api, kube, [replace(each, number=each.number + 10, kept=True) for each in many(5)])
    assert api.writes == []


async def test_fifty_records_and_five_charts_stay(api: MemoryApi, kube: Kube) -> None:
    left = await pruned(api, kube, many(53, kept=True))
    assert [r.number for r in left.records] == list(range(4, 54))
    assert [r.number for r in left.records if r.kept] == list(range(49, 54))


@pytest.mark.parametrize(
    ("since", "oldest"),
    [(LATER, [71, 72]), (EARLIER, [3, 4, 20, 71]), (datetime(2026, 3, 6, tzinfo=UTC), [4, 71])],
)
async def test_of_each_choice_of_images_the_last_proof_stays_while_its_images_do(
    since: datetime, oldest: list[int], api: MemoryApi, kube: Kube
) -> None:
    """Five kinds of images, the fifth with a hundred changes of people: what it was before is known by one record."""
    kinds = {1: "a", 2: "b", 3: "b", 4: "c", 5: "f"}
    found = [
        record(
            number, F if number == 5 else P, about={"images": {"earth": f"r/earth@{kinds.get(number, 'd')}"}}
        )
        for number in range(1, 21)
    ]
    found += [record(number, P, about={"images": {"earth": "r/earth@a"}}) for number in range(21, 121)]
    left = await pruned(api, kube, found, since)
    assert [r.number for r in left.records][: len(oldest)] == oldest
    assert len(left.records) == 50 + len([number for number in oldest if number < 71])


async def test_what_is_held_stays_held_however_often_people_came(api: MemoryApi, kube: Kube) -> None:
    failed = [record(1, P, kept=True), record(2, F, "b")]
    people = [record(number, P, rollback_of=2) for number in range(3, 70)]
    left = await pruned(api, kube, [*failed, *people])
    assert left.held("b")
    assert left.restorable == record(1, P, kept=True)


async def test_the_last_proof_stays_however_many_failed_since(api: MemoryApi, kube: Kube) -> None:
    failed = [record(number, F, "b") for number in range(2, 60)]
    left = await pruned(api, kube, [record(1, P, kept=True), *failed])
    assert left.last_proved == left.restorable == record(1, P, kept=True)
    assert len(left.records) == 51


async def test_the_chart_of_what_runs_stays_however_often_people_came(api: MemoryApi, kube: Kube) -> None:
    """With people alone the same content is deployed again, and its chart is kept once."""
    left = await pruned(api, kube, [record(1, P, kept=True), *many(60)[1:]])
    assert left.restorable == record(1, P, kept=True)


async def test_charts_of_what_was_not_proved_do_not_push_out_the_one_to_go_back_to(
    api: MemoryApi, kube: Kube
) -> None:
    unproved = [record(number, U, "b", kept=True) for number in range(2, 9)]
    left = await pruned(api, kube, [record(1, P, kept=True), *unproved])
    assert left.restorable == record(1, P, kept=True)


async def test_what_stands_stays(api: MemoryApi, kube: Kube) -> None:
    nothing = [record(number, F, "b") for number in range(3, 60)]
    found = await store(api, kube, [record(1, P), record(2, K, "c"), *nothing])
    refused = History("staging", [replace(r, touched=r.number < 3) for r in found.records])
    await records.prune(kube, refused, LATER)
    assert [r.number for r in (await read_history(kube, "staging")).records][:3] == [1, 2, 10]


# --- which cluster this is


async def test_a_cluster_is_marked_once_and_known_by_it(api: MemoryApi, kube: Kube) -> None:
    await require_cluster(kube, "campus")
    assert api.writes == []
    await mark_cluster(kube, "campus")
    await mark_cluster(kube, "campus")
    assert len(api.writes) == 1
    for ask in (require_cluster, mark_cluster):
        with pytest.raises(RefusedError, match="set up as campus"):
            await ask(kube, "cloud")


async def test_a_cluster_that_nobody_can_ask_is_not_unmarked(api: MemoryApi, kube: Kube) -> None:
    api.fault = lambda method, path: 503 if method == "GET" else 0
    with pytest.raises(OutOfReachError, match="which cluster this is"):
        await mark_cluster(kube, "campus")
    assert api.writes == []


@pytest.mark.parametrize("name", ["campus", "cloud"])
async def test_two_may_mark_at_once_but_not_by_two_names(name: str, api: MemoryApi, kube: Kube) -> None:
    def faster(method: str, path: str) -> int:
        if method == "POST":
            api.objects[f"{path}/cluster"] = {"data": {"name": "campus"}}
        return 0

    api.fault = faster
    if name == "campus":
        await mark_cluster(kube, name)
    else:
        with pytest.raises(RefusedError):
            await mark_cluster(kube, name)


# --- logs


async def test_a_container_that_has_not_started_does_not_hide_the_others(api: MemoryApi, kube: Kube) -> None:
    for name in ("hub", "proxy", "singleuser-server"):
        api.objects[f"/api/v1/namespaces/a/pods/{name}"] = {
            "metadata": {"name": name, "namespace": "a", "labels": {"component": name}},
            "spec": {"containers": [{"name": "main"}]},
        }
        api.objects[f"/api/v1/namespaces/a/pods/{name}/log"] = {"said": name}
    api.fault = lambda method, path: 400 if path.endswith("hub/log") else 0
    assert await read_logs(kube, "a", 5) == {
        "hub/main": "(HTTP 400: by a test)",
        "proxy/main": '{"said": "proxy"}',
    }
