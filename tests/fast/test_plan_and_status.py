"""Plans, hubs and their deploys as people and programs read them."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fast.deploys import F, K, P, U, history, record
from hubops.desired.images import reference
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names
from hubops.plan.model import CREATE, DEPLOY, HELD, LEFT, NOTHING, PEOPLE, WAITS, Difference, HubPlan
from hubops.report.model import Result
from hubops.report.plan import format_plan, outcome
from hubops.report.status import format_history, format_status, record_data, status_data
from hubops.run.looking import find_held
from hubops.run.planning import wanted_content
from hubops.state.model import Commit, History, Live, Record, Status

CHANGED = HubPlan(
    "course",
    DEPLOY,
    deployed=7,
    build=["course"],
    changes=[
        Difference("hub.memory", '"2G"', '"1G"'),
        Difference("new", "1", None),
        Difference("old", None, "1"),
    ],
    people=(2, 1),
    chart="jupyterhub 4.4.0 → jupyterhub 4.5.0",
)


def test_a_plan_as_people_read_it() -> None:
    plans = [
        CHANGED,
        HubPlan("earth", NOTHING),
        HubPlan("gone", LEFT, "its files are gone; the hub itself and its data stay"),
        HubPlan("moon", HELD, "deploy 3 of the same content failed: no kernel", 2),
        HubPlan("sun", PEOPLE, people=(1, 0)),
    ]
    assert format_plan(plans).splitlines() == [
        "course: deploy",
        "  build image course",
        "  chart jupyterhub 4.4.0 → jupyterhub 4.5.0",
        '  hub.memory: "1G" → "2G"',
        "  new: unset → 1",
        "  old: 1 → unset",
        "  people: 2 come or change, 1 go",
        "earth: nothing",
        "gone: left alone (its files are gone; the hub itself and its data stay)",
        "moon: held (deploy 3 of the same content failed: no kernel)",
        "sun: people only",
        "  people: 1 come or change, 0 go",
        "2 of 5 hubs would change.",
    ]


def test_of_many_settings_some_are_shown_and_all_counted() -> None:
    plan = HubPlan("a", DEPLOY, changes=[Difference(f"s{n}", "1", "2") for n in range(20)])
    lines = format_plan([plan]).splitlines()
    assert lines[-2] == "  and 8 more settings"
    assert len(lines) == 1 + 12 + 1 + 1


@pytest.mark.parametrize(
    ("action", "result"),
    [
        (CREATE, Result.PLANNED),
        (DEPLOY, Result.PLANNED),
        (PEOPLE, Result.PLANNED),
        (NOTHING, Result.UNCHANGED),
        (LEFT, Result.UNCHANGED),
        (HELD, Result.HELD),
        (WAITS, Result.NOT_PROVED),
    ],
)
def test_a_plan_as_a_row_of_a_report(action: str, result: Result) -> None:
    found = outcome(HubPlan("a", action, "why"))
    assert (found.kind, found.name, found.result, found.note) == ("hub", "a", result, f"{action} (why)")


def test_its_details_are_one_line() -> None:
    note = outcome(CHANGED).note
    assert note.startswith('deploy: build image course; chart jupyterhub 4.4.0 → jupyterhub 4.5.0; hub.memory: "1G" → "2G"')  # fmt: skip
    assert "\n" not in note


# --- hubs

FAILED = record(2, F, "b", why="cell 3 says 5, not 4\ndetails that are long")
AFTER_ROLLBACK = history(record(1, P), FAILED, record(3, P, rollback_of=2))


LIVE = Live(2, 2, 5)


def status(found: History, live: Live | None = LIVE) -> Status:
    """Of a hub whose files still want what failed last."""
    return Status("staging", "local", found, live, held=found.open_failure)


def test_a_hub_that_was_rolled_back() -> None:
    assert format_status([status(AFTER_ROLLBACK)]).splitlines() == [
        "staging on local: 2 of 2 pods ready, 5 people's servers",
        "  runs    deploy 3, commit c0ffee0000, jupyterhub 4.4.0, since 2026-03-04T10:00:00+00:00",
        "  proved  deploy 3, at 2026-03-04T10:01:00+00:00",
        "  held    deploy 2, commit c0ffee0000, jupyterhub 4.4.0: cell 3 says 5, not 4",
    ]


def test_what_failed_and_is_wanted_no_longer_is_not_held() -> None:
    found = replace(status(AFTER_ROLLBACK), held=None)
    last = "  failed  deploy 2, commit c0ffee0000, jupyterhub 4.4.0: cell 3 says 5, not 4; not what the files here want"
    assert format_status([found]).splitlines()[-1] == last
    assert (status_data(found)["held"], status_data(found)["failed"]["deploy"]) == (None, 2)


def test_a_hub_that_is_disabled_and_one_that_is_to_be() -> None:
    found = replace(status(history(record(1, P))), disabled="Until winter")
    running, stopped = format_status([found]), format_status([replace(found, live=Live(0, 0, 0))])
    assert running.startswith(
        "staging on local: 2 of 2 pods ready, 5 people's servers; the next deploy disables it"
    )
    assert stopped.splitlines() == [
        "staging on local: disabled: Until winter",
        "  proved  deploy 1, at 2026-03-02T10:01:00+00:00",
    ]


def test_what_is_held_is_told_after_people_came_and_no_longer_after_a_fix() -> None:
    people = history(*AFTER_ROLLBACK.records, record(4, P, rollback_of=2))
    assert "held    deploy 2" in format_status([status(people)])
    fixed = history(*AFTER_ROLLBACK.records, record(4, P, "c"))
    assert "held" not in format_status([status(fixed)])


@pytest.mark.parametrize(("ending", "word"), [(K, "unfinished or killed"), (U, "unknown"), (F, "failed")])
def test_what_runs_unproved_is_told_as_that(ending: object, word: str) -> None:
    found = history(record(1, P), replace(FAILED, ending=ending))  # type: ignore[arg-type]
    text = format_status([status(found)])
    assert f"runs    deploy 2 ({word}), commit" in text
    assert "proved  deploy 1" in text


def test_a_hub_that_is_not_there_one_without_pods_and_one_nobody_can_ask() -> None:
    none = Live(0, 0, 0)
    assert format_status([status(History("staging"), none)]) == "staging on local: not deployed"
    assert "staging on local: no pods\n  runs" in format_status([status(AFTER_ROLLBACK, none)])
    away = replace(status(History("staging"), None), fault="the cluster does not answer")
    assert format_status([away]) == "staging on local: unknown: the cluster does not answer"


def test_uncommitted_changes_and_no_commit_are_told() -> None:
    dirty = replace(record(1, P), commit=Commit("c0ffee0000000000", dirty=True))
    assert "commit c0ffee0000 and uncommitted changes" in format_status([status(history(dirty))])
    assert "no commit" in format_status([status(history(replace(dirty, commit=Commit())))])


def test_a_hub_for_programs() -> None:
    found = json.loads(json.dumps(status_data(status(AFTER_ROLLBACK))))
    assert found["live"] == {"pods": 2, "ready": 2, "servers": 5}
    assert [found[key]["deploy"] for key in ("deployed", "proved", "held")] == [3, 3, 2]
    nothing = status_data(status(History("staging"), None))
    assert [nothing[key] for key in ("live", "deployed", "proved", "held")] == [None] * 4


def test_a_record_for_programs_has_no_values() -> None:
    found = record_data(record(1, P, about={"values": {"inner": "value"}}))
    assert "inner" not in json.dumps(found)
    assert found["images"] == {"course": "r.example.org/course:c1@sha256:1"}


def test_a_history_is_told_newest_first() -> None:
    overridden = record(4, K, override="exam at nine")
    lines = format_history({"staging": (*AFTER_ROLLBACK.records, overridden)}).splitlines()
    commit = "commit c0ffee0000, jupyterhub 4.4.0, by ci"
    assert lines == [
        f"2026-03-05T10:00:00+00:00  staging    4  unfinished or killed {commit}: without a proof: exam at nine",
        f"2026-03-04T10:00:00+00:00  staging    3  proved     {commit}: rolls back deploy 2",
        f"2026-03-03T10:00:00+00:00  staging    2  failed     {commit}: cell 3 says 5, not 4",
        f"2026-03-02T10:00:00+00:00  staging    1  proved     {commit}",
    ]
    assert format_history({"staging": ()}) == "Nothing was deployed yet."


# --- what is held, by the files


FREE: Any = SimpleNamespace(registry="r.example.org", top=())


def failed_with(root: Path) -> History:
    """A hub whose files were tried as they are, failed, and were followed by what was proved before."""
    fleet = load_fleet(root)
    hub = fleet.hubs["staginghub"]
    images = {
        name: replace(reference(fleet, FREE.registry, name), digest=f"sha256:{name}")
        for name in image_names(hub)
    }
    wanted = wanted_content(fleet, hub, images, ())
    failed = replace(record(2, F), content=wanted, hub="staginghub")
    return history(record(1, P), failed, record(3, P, rollback_of=2), hub="staginghub")


def held(root: Path, found: History) -> Record | None:
    fleet = load_fleet(root)
    return find_held(fleet, fleet.hubs["staginghub"], found, FREE)


@pytest.mark.parametrize(
    ("name", "text", "is_held"),
    [
        ("hub-charts/staginghub/people.yaml", "allowed: [one]\n", True),
        ("hub-charts/staginghub/values.yaml", "jupyterhub: {cull: {timeout: 4711}}\n", False),
        ("user-images/notebook/Dockerfile", "FROM scratch\n", False),
        ("hub-charts/staginghub/hub.yaml", "stage: staging\nimage: notebook\ndisabled: Until winter\n", False),
        ("hub-charts/staginghub/Chart.lock", "dependencies: [{name: jupyterhub, version: 9.9.9, repository: x}]\n", False),
    ],
    ids=["people", "a setting", "an image", "disabled", "the chart"],
)  # fmt: skip
def test_what_failed_is_held_while_the_files_want_it(
    name: str, text: str, *, is_held: bool, operations: Path
) -> None:
    found = failed_with(operations)
    assert held(operations, found) == found.records[1]
    (operations / name).write_text(text)
    assert held(operations, found) == (found.records[1] if is_held else None)


def test_what_nobody_can_tell_is_held(operations: Path) -> None:
    found, fleet = failed_with(operations), load_fleet(operations)
    hub = fleet.hubs["staginghub"]
    assert find_held(replace(fleet, images={}), hub, found, FREE) == found.records[1]
    assert find_held(fleet, hub, history(*found.records, record(4, P, "z")), FREE) is None
