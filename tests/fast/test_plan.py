"""What is to be done with content, and what would change: pure, so by tables."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fast.deploys import AIDE, IMAGE, F, K, P, U, content, history, record
from hubops.desired.model import Cluster, Hub, People
from hubops.desired.repository import load_fleet
from hubops.plan.compare import compare, stopped
from hubops.plan.decide import decide
from hubops.plan.differences import differences
from hubops.plan.model import CREATE, DEPLOY, HELD, NOTHING, PEOPLE, WAITS, Course, Decision, Difference
from hubops.report.plan import format_plan
from hubops.run.planning import plan_against
from hubops.state.model import Content, History

OWN = "course"
NEW_IMAGE = {"course": "r.example.org/course:c2@sha256:2"}
A, B = content("a"), content("b", images=NEW_IMAGE)


def own(*records: Any) -> History:
    return history(*records, hub=OWN)


# --- whether a hub may have it

Case = tuple[str, Content, History, History | None, dict[str, Any], Course, str]
COURSES: list[Case] = [
    ("first, nobody proves", A, own(), None, {}, Course.DEPLOY, ""),
    ("changed, nobody proves", B, own(record(1, P)), None, {}, Course.DEPLOY, ""),
    ("failed before", B, own(record(1, P), record(2, F, "b", why="no kernel\nmore")), None, {}, Course.HELD, "deploy 2 of the same content failed: no kernel"),
    ("failed before, again by wish", B, own(record(1, P), record(2, F, "b")), None, {"retry": True}, Course.DEPLOY, ""),
    ("an override alone is no wish to try again", B, own(record(1, F, "b")), None, {"override": "why"}, Course.HELD, "deploy 1"),
    ("killed before", B, own(record(1, P), record(2, K, "b")), None, {}, Course.DEPLOY, ""),
    ("nobody could tell before", B, own(record(1, P), record(2, U, "b")), None, {}, Course.DEPLOY, ""),
    ("failed when it was what had been proved", A, own(record(1, P), record(2, F)), None, {}, Course.DEPLOY, ""),
    ("held comes before not proved", B, own(record(1, F, "b")), history(), {}, Course.HELD, "deploy 1"),
    ("the prover has nothing", A, own(), history(), {}, Course.NOT_PROVED, "staging has proved nothing yet"),
    ("proved by the prover", A, own(), history(record(4, P)), {}, Course.DEPLOY, ""),
    ("proved there with settings of its own", A, own(), history(record(4, P, "z")), {}, Course.DEPLOY, ""),
    ("proved there long ago", A, own(), history(record(4, P), record(5, P, "b", about={"images": NEW_IMAGE})), {}, Course.DEPLOY, ""),
    ("another image", B, own(), history(record(4, P)), {}, Course.NOT_PROVED, "staging has not proved: image course c2"),
    ("another digest under the tag", content(images={"course": "r.example.org/course:c1@sha256:9"}), own(), history(record(4, P)), {}, Course.NOT_PROVED, "image course c1"),
    ("one image more", content(images={"course": IMAGE, "aide": AIDE}), own(), history(record(4, P)), {}, Course.NOT_PROVED, "image aide c7"),
    ("some of the prover's images", A, own(), history(record(4, P, about={"images": {"course": IMAGE, "aide": AIDE}})), {}, Course.DEPLOY, ""),
    ("no image of ours", content(images={}), own(), history(record(4, P)), {}, Course.DEPLOY, ""),
    ("another chart", content(chart="4.5.0", chart_name="jupyterhub 4.5.0"), own(), history(record(4, P)), {}, Course.NOT_PROVED, "chart jupyterhub 4.5.0"),
    ("other shared values", content(shared="t"), own(), history(record(4, P)), {}, Course.NOT_PROVED, "the values that all hubs share"),
    ("parts proved by two deploys", content(images=NEW_IMAGE, chart="4.5.0"), own(), history(record(4, P, about={"images": NEW_IMAGE}), record(5, P, about={"chart": "4.5.0"})), {}, Course.NOT_PROVED, "image course c2"),
    ("failed on the prover", A, own(), history(record(4, F, why="no kernel\nmore")), {}, Course.NOT_PROVED, "staging failed with it (deploy 4): no kernel"),
    ("failed there after it was proved", A, own(), history(record(4, P), record(5, F)), {}, Course.NOT_PROVED, "staging failed with it (deploy 5)"),
    ("refused there for a setting, with nothing written", A, own(), history(record(4, P), record(5, F, "z", touched=False)), {}, Course.DEPLOY, ""),
    ("nothing written there at all", A, own(), history(record(4, F, touched=False)), {}, Course.NOT_PROVED, "has proved nothing"),
    ("unknown on the prover", A, own(), history(record(4, P), record(5, U)), {}, Course.NOT_PROVED, "deploy 5 of staging had it, and ended unknown"),
    ("still at work on the prover", A, own(), history(record(4, P), record(5, K)), {}, Course.NOT_PROVED, "ended unfinished"),
    ("brought back on the prover", A, own(), history(record(4, P), record(5, F, "b", about={"images": NEW_IMAGE}), record(6, P, rollback_of=5)), {}, Course.DEPLOY, ""),
    ("proved here already", A, own(record(1, P)), history(record(4, F)), {}, Course.DEPLOY, ""),
    ("proved here once, but not last", A, own(record(1, P), record(2, P, "b")), history(), {}, Course.NOT_PROVED, "proved nothing"),
    ("without a proof, with a reason", B, own(record(1, P)), history(), {"override": "exam at nine"}, Course.DEPLOY, "without a proof by staging: exam at nine"),
    ("held, with both", B, own(record(1, F, "b")), history(), {"override": "exam", "retry": True}, Course.DEPLOY, "exam"),
    ("a retry is no proof", B, own(), history(), {"retry": True}, Course.NOT_PROVED, "proved nothing"),
]  # fmt: skip


@pytest.mark.parametrize("case", COURSES, ids=lambda case: case[0])
def test_the_course(case: Case) -> None:
    _, wanted, mine, prover, terms, course, reason = case
    decision = decide(wanted, mine, prover, **terms)
    assert decision.course is course
    assert reason in decision.reason
    assert "\n" not in decision.reason
    assert bool(decision.hint) == (course is not Course.DEPLOY)


def test_a_held_hub_says_how_to_try_again_and_a_waiting_one_where() -> None:
    assert "hubops deploy course --retry" in decide(B, own(record(1, F, "b")), None).hint
    assert "hubops deploy staging" in decide(B, own(), history()).hint


def test_what_the_proof_did_not_cover_is_listed() -> None:
    proved = record(4, P, "z", about={"values": {"hub": {"memory": "1G"}, "same": 1}})
    wanted = replace(A, values={"hub": {"memory": "2G"}, "same": 1, "own": True})
    decision = decide(wanted, own(), history(proved))
    assert decision.proof == proved
    assert decision.unproved == (
        Difference("hub.memory", '"2G"', '"1G"'),
        Difference("own", "true", None),
    )


def test_an_override_where_there_is_a_proof_is_none() -> None:
    decision = decide(A, own(), history(record(4, P)), override="exam")
    assert decision.proof
    assert not decision.reason


# --- in which settings two differ

DIFFERENCES: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, str | None, str | None]]]] = [
    ("nothing", {}, {}, []),
    ("the same", {"a": {"b": [1, {"c": None}]}}, {"a": {"b": [1, {"c": None}]}}, []),
    ("order", {"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ("a value", {"a": 1}, {"a": 2}, [("a", "1", "2")]),
    ("deep inside", {"a": {"b": {"c": 1, "d": 1}}}, {"a": {"b": {"c": 2, "d": 1}}}, [("a.b.c", "1", "2")]),
    ("here only", {"a": {"b": 1, "c": 2}}, {}, [("a.b", "1", None), ("a.c", "2", None)]),
    ("there only", {}, {"a": {"b": 1}}, [("a.b", None, "1")]),
    ("a list is one", {"a": [1, 2]}, {"a": [1, 3]}, [("a", "[1, 2]", "[1, 3]")]),
    ("null is not unset", {"a": None}, {}, [("a", "null", None)]),
    ("a map for a scalar", {"a": {"b": 1}}, {"a": 5}, [("a", '{"b": 1}', "5")]),
    ("an empty map for a scalar", {"a": {}}, {"a": 5}, [("a", "{}", "5")]),
    ("an empty map for nothing", {"a": {}}, {}, [("a", "{}", None)]),
    ("null deletes a map", {"a": None}, {"a": {"b": 1}}, [("a", "null", '{"b": 1}')]),
    ("true is not 1", {"a": True}, {"a": 1}, [("a", "true", "1")]),
    ("a text is not a number", {"a": "1"}, {"a": 1}, [("a", '"1"', "1")]),
    ("two, by name", {"b": 1, "a": 1}, {}, [("a", "1", None), ("b", "1", None)]),
    ("a script", {"a": "one\ntwo"}, {"a": "x"}, [("a", '"a text of 2 lines"', '"x"')]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("here", "there", "found"), [case[1:] for case in DIFFERENCES], ids=[case[0] for case in DIFFERENCES]
)
def test_differences(here: dict[str, Any], there: dict[str, Any], found: list[Any]) -> None:
    assert list(differences(here, there)) == [Difference(*each) for each in found]


def test_a_long_value_is_cut() -> None:
    shown = next(differences({"a": "x" * 1000}, {})).here
    assert shown
    assert len(shown) < 70


@pytest.mark.parametrize(
    "values",
    [
        {"hub": {"config": {"GitHubOAuthenticator": {"client_secret": "S3cret!"}}}},
        {"proxy": {"secretToken": "S3cret!"}},
        {"hub": {"services": {"x": {"apiToken": "S3cret!"}}}},
        {"db": {"password": "S3cret!"}},
        {"storage": {"access_key": "S3cret!"}},
        {"a": [{"token": "S3cret!"}]},
        {"extraEnv": [{"name": "API_TOKEN", "value": "S3cret!"}]},
        {"tokens": ["S3cret!"]},
        {"hub": {"extraConfig": {"auth": "c.X.client_secret = 'S3cret!'\n"}}},
    ],
)
def test_a_secret_that_should_not_be_there_is_not_shown(values: dict[str, Any]) -> None:
    shown = [*differences(values, {}), *differences({}, values)]
    assert shown
    assert "S3cret!" not in str(shown)


# --- what would change


def hub(**people: Any) -> Hub:
    return Hub(
        OWN, directory=None, stage="production", cluster=Cluster("local"), image="", release=OWN, namespace=OWN,  # type: ignore[arg-type]
        path="/", prefix="", values={}, people=People(**people),
    )  # fmt: skip


def test_a_new_hub_is_created() -> None:
    plan = compare(hub(), A, None, None, ["course"])
    assert (plan.action, plan.build, plan.chart) == (CREATE, ("course",), "jupyterhub 4.4.0")


def test_the_same_is_nothing() -> None:
    plan = compare(hub(allowed=("x",)), A, A, People(allowed=("x",)))
    assert (plan.action, plan.changes, plan.people, plan.build) == (NOTHING, (), (0, 0), ())
    assert compare(hub(allowed=("x",)), A, A, None).action == NOTHING


def test_an_image_to_build_is_a_deploy_even_where_the_tag_is_known() -> None:
    assert compare(hub(), A, A, None, ["course"]).action == DEPLOY


def test_changes_of_settings_and_chart_are_told_from_what_is_to_what_is_wanted() -> None:
    has = replace(A, values={"memory": "1G"})
    wanted = content("b", values={"memory": "2G"}, chart="5", chart_name="jupyterhub 4.5.0")
    plan = compare(hub(), wanted, has, None)
    assert plan.action == DEPLOY
    assert plan.changes == (Difference("memory", here='"2G"', there='"1G"'),)
    assert plan.chart == "jupyterhub 4.4.0 → jupyterhub 4.5.0"


MOVES: list[tuple[People, dict[str, Any], tuple[int, int]]] = [
    (People(), {"allowed": ("x", "y")}, (2, 0)),
    (People(allowed=("x", "y")), {"allowed": ("y",)}, (0, 1)),
    (People(allowed=("x",)), {"allowed": ("y",)}, (1, 1)),
    (People(allowed=("x",)), {"admins": ("x",)}, (1, 0)),
    (People(admins=("x",)), {"allowed": ("x",)}, (1, 0)),
    (People(admins=("x", "y")), {"admins": ("x",)}, (0, 1)),
    (People(admins=("x",)), {"admins": ("x", "y")}, (1, 0)),
    (People(admins=("x",), allowed=("y",)), {"admins": ("y",), "allowed": ("x",)}, (2, 0)),
    (People(allowed=("x",)), {"allowed": ("x",), "blocked": ("x",)}, (0, 1)),
    (People(), {"blocked": ("x",)}, (0, 1)),
    (People(blocked=("x",)), {}, (1, 0)),
    (People(teams=("org:a",)), {"teams": ("org:b", "org:c")}, (2, 1)),
    (People(), {"decides_admins": True}, (1, 0)),
    (People(decides_admins=True), {"admins": ("x",), "decides_admins": True}, (1, 0)),
]


@pytest.mark.parametrize(("before", "after", "moved"), MOVES)
def test_people_are_counted(before: People, after: dict[str, Any], moved: tuple[int, int]) -> None:
    plan = compare(hub(**after), A, A, before)
    assert (plan.action, plan.people) == (PEOPLE, moved)


CLASS = People(allowed=tuple("abcdefgh"))


@pytest.mark.parametrize(
    ("after", "may_leave", "too_many"),
    [
        ({"allowed": tuple("abc")}, 0, False),
        ({"allowed": tuple("ab")}, 0, True),
        ({"allowed": tuple("ab")}, 6, False),
        ({"allowed": tuple("ab"), "blocked": ("h",)}, 0, False),
        ({"allowed": tuple("ABCDEFGH"), "encrypted": True}, 0, False),
    ],
    ids=["five", "six", "six, confirmed", "six, one of them blocked", "ciphers"],
)
def test_so_many_who_go_that_it_has_to_be_confirmed_are_told(
    after: dict[str, Any], may_leave: int, *, too_many: bool
) -> None:
    plan = compare(replace(hub(**after), people_may_leave=may_leave), A, A, CLASS)
    assert plan.too_many == too_many
    lines = format_plan([plan]).splitlines()
    assert ("  people: so many go only with people-may-leave: 6 in hub.yaml" in lines) == too_many
    assert (f"  people: up to {may_leave} may be taken off the hub" in lines) == bool(may_leave)


def test_a_confirmation_alone_is_a_change_of_people(operations: Path) -> None:
    before = load_fleet(operations)
    (operations / "hub-charts/staginghub/hub.yaml").write_text(
        "stage: staging\nimage: notebook\npeople-may-leave: 45\n"
    )
    fleet = load_fleet(operations)
    plan = plan_against(fleet, before, fleet.hubs["staginghub"])
    assert format_plan([plan]).splitlines()[:2] == [
        "staginghub: people only",
        "  people: up to 45 may be taken off the hub",
    ]
    assert plan_against(fleet, fleet, fleet.hubs["staginghub"]).action == NOTHING


def test_people_beside_other_changes_are_a_deploy() -> None:
    plan = compare(hub(allowed=("x",)), B, A, People())
    assert (plan.action, plan.people) == (DEPLOY, (1, 0))


def test_the_plan_for_content_that_may_not_be_deployed() -> None:
    assert stopped(OWN, Decision(Course.HELD, "why"), 3).action == HELD
    assert stopped(OWN, Decision(Course.NOT_PROVED, "why"), 3).action == WAITS
