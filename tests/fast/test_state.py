"""What a history says: which content stands, is proved, is held, and can come back; and records as they are stored."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast.deploys import F, K, P, U, history, record
from hubops.errors import RefusedError
from hubops.state.model import Ending, History, Record
from hubops.state.records import _record

NUMBERS = st.lists(
    st.builds(
        lambda ending, key, touched, kept: (ending, key, touched, kept),
        st.sampled_from(Ending),
        st.sampled_from("abc"),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)
HISTORIES = NUMBERS.map(
    lambda found: history(
        *(
            record(number, ending, key, touched=touched or ending is P, kept=kept and ending is P)
            for number, (ending, key, touched, kept) in enumerate(found, start=1)
        )
    )
)


def numbers(*records: Record | None) -> list[int]:
    return [found.number if found else 0 for found in records]


# --- histories


def test_a_hub_without_records_has_nothing_to_hold_to_take_back_or_to_go_back_to() -> None:
    none = History("staging")
    assert (
        numbers(none.latest, none.standing, none.last_proved, none.restorable, none.open_failure) == [0] * 5
    )
    assert none.settled
    assert none.held("a") is None


def test_after_a_rollback_the_old_content_stands_and_the_new_is_held() -> None:
    found = history(record(1, P, kept=True), record(2, F, "b"), record(3, P, rollback_of=2, kept=True))
    assert numbers(found.standing, found.last_proved, found.restorable, found.open_failure) == [3, 3, 3, 2]
    assert numbers(found.held("b"), found.held("a")) == [2, 0]
    assert found.settled


def test_people_who_come_afterwards_do_not_end_the_holding() -> None:
    found = history(record(1, P), record(2, F, "b"), record(3, P, rollback_of=2), record(4, P, rollback_of=2))
    assert numbers(found.open_failure, found.held("b")) == [2, 2]


def test_a_fix_ends_the_failure_but_what_failed_stays_held() -> None:
    found = history(record(1, P), record(2, F, "b"), record(3, P, rollback_of=2), record(4, P, "c"))
    assert found.open_failure is None
    assert numbers(found.held("b")) == [2]


def test_a_retry_that_is_proved_ends_the_holding_and_one_that_was_killed_goes_on() -> None:
    assert history(record(1, F), record(2, P)).held("a") is None
    assert history(record(1, F), record(2, K)).held("a") is None


def test_what_was_proved_when_it_failed_is_not_held_whatever_came_later() -> None:
    surroundings = history(record(1, P), record(2, F))
    assert surroundings.held("a") is None
    later = history(*surroundings.records, record(3, P, "b"))
    assert later.held("a") is None


def test_what_was_proved_long_ago_and_fails_now_is_held() -> None:
    assert numbers(history(record(1, P), record(2, P, "b"), record(3, F)).held("a")) == [3]


@pytest.mark.parametrize(
    ("ending", "touched", "settled"), [(K, True, False), (U, True, False), (F, True, False), (F, False, True)]
)
def test_what_a_run_left_half_done_is_not_settled(ending: Ending, touched: bool, settled: bool) -> None:
    found = history(record(1, P), record(2, ending, "b", touched=touched))
    assert found.settled is settled
    assert numbers(found.standing) == [1 if settled else 2]


def test_the_chart_to_go_back_to_may_be_kept_with_an_older_record_of_the_same_content() -> None:
    kept = history(record(1, P, kept=True), record(2, P), record(3, F, "b"))
    assert numbers(kept.last_proved, kept.restorable) == [2, 1]
    other = history(record(1, P, "z", kept=True), record(2, P))
    assert other.restorable is None


@given(HISTORIES)
def test_only_the_newest_failure_of_some_content_holds_it(found: History) -> None:
    for key in "abc":
        held = found.held(key)
        if held:
            assert held == found.find(key)
            assert held.ending is F
        else:
            newest = found.find(key)
            assert newest is None or newest.ending is not F or newest.number > 1


@given(HISTORIES, st.sampled_from("abc"))
def test_a_failure_holds_and_a_proof_frees(found: History, key: str) -> None:
    number = len(found.records) + 1
    failed = History(found.hub, (*found.records, record(number, F, key)))
    was_proved = found.last_proved is not None and found.last_proved.content.key == key
    assert (failed.held(key) is None) == was_proved
    assert History(found.hub, (*found.records, record(number, P, key))).held(key) is None


@given(HISTORIES, st.sampled_from("abc"), st.sampled_from([P, F]))
def test_other_contents_deploys_neither_hold_nor_free(found: History, key: str, ending: Ending) -> None:
    other = History(found.hub, (*found.records, record(len(found.records) + 1, ending, "elsewhere")))
    assert other.held(key) == found.held(key)


@given(HISTORIES)
def test_what_can_come_back_was_proved_last(found: History) -> None:
    back, proved = found.restorable, found.last_proved
    if back:
        assert proved
        assert back.kept
        assert back.content.key == proved.content.key
    assert proved is None or proved.ending is P
    assert found.standing is None or found.standing.touched
    assert not found.settled or found.standing == proved or found.standing is None


# --- as they are stored


def stored(document: dict[str, Any], **more: str) -> dict[str, Any]:
    data = {"record": base64.b64encode(json.dumps(document).encode()).decode(), **more}
    return {"metadata": {"name": "deploy-staging-7"}, "data": data}


DOCUMENT: dict[str, Any] = {
    "number": 7,
    "hub": "staging",
    "ending": "proved",
    "at": "2026-03-01T10:00:00+00:00",
    "by": "ci",
    "commit": {"hash": "c0", "at": "", "dirty": False},
    "content": {
        "key": "a",
        "images": {},
        "chart": "c",
        "chart_name": "jupyterhub 4.4.0",
        "shared": "s",
        "values": {"hub": {"x": [1]}},
        "prefix": "jupyterhub",
    },
    "secrets": "x",
}


def test_a_record_is_read_and_its_chart_is_known_to_be_kept() -> None:
    found = _record(stored(DOCUMENT))
    assert (found.number, found.ending, found.content.values, found.kept) == (
        7,
        P,
        {"hub": {"x": [1]}},
        False,
    )
    assert _record(stored(DOCUMENT, bundle="eA==")) == replace(found, kept=True)


def test_what_a_newer_version_added_is_passed_over() -> None:
    newer = {**DOCUMENT, "more": 1, "commit": {**DOCUMENT["commit"], "more": 1}}
    newer["content"] = {**DOCUMENT["content"], "more": 1}
    assert _record(stored(newer)) == _record(stored(DOCUMENT))


@pytest.mark.parametrize(
    "item",
    [
        stored({**DOCUMENT, "ending": "half"}),
        stored({key: value for key, value in DOCUMENT.items() if key != "content"}),
        stored({**DOCUMENT, "content": {"key": "a"}}),
        {"metadata": {"name": "deploy-staging-7"}, "data": {"record": "bm8="}},
        {"metadata": {"name": "deploy-staging-7"}, "data": {}},
    ],
)
def test_one_that_is_not_understood_is_named_and_never_passed_over(item: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as caught:
        _record(item)
    assert caught.value.where == "secret hubops/deploy-staging-7"
    assert "newer" in caught.value.hint
