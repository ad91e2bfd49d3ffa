"""The words and rules everybody may use."""

import os
from pathlib import Path

import pytest

from hubops import digest, names
from hubops.deadline import Deadline
from hubops.errors import HubopsError, RepositoryError
from hubops.events import Event, StepEnded, StepStarted, step


@pytest.mark.parametrize("name", ["a", "staging-hub", "hub2", "a" * 63])
def test_a_dns_label_is_accepted(name: str) -> None:
    assert names.is_dns_label(name)


@pytest.mark.parametrize("name", ["", "A", "2hub", "hub-", "hub_1", "a" * 64, "hub.x"])
def test_anything_else_is_not(name: str) -> None:
    assert not names.is_dns_label(name)


def test_the_nearest_name_is_offered() -> None:
    assert names.did_you_mean("stagin", ["staginghub", "earthhub"]) == "Did you mean staginghub?"
    assert names.did_you_mean("zzz", ["b", "a"]) == "Known: a, b."


def test_an_error_says_what_where_why_and_what_next() -> None:
    error = RepositoryError("it is wrong", where="a.yaml:3", why="because", hint="mend it")
    assert str(error) == "it is wrong\nwhere: a.yaml:3\nwhy: because\nnext: mend it"
    assert error.exit_code == 20
    assert isinstance(error, HubopsError)


def test_a_deadline_counts_once() -> None:
    now = [100.0]
    deadline = Deadline(10, clock=lambda: now[0])
    now[0] = 104.0
    assert (deadline.left_s, deadline.passed) == (6.0, False)
    now[0] = 111.0
    assert (deadline.left_s, deadline.passed) == (0.0, True)


def test_a_step_tells_of_its_end_and_of_its_failure() -> None:
    seen: list[Event] = []
    with step(seen.append, "good") as note:
        note.text = "already there"
    with pytest.raises(ValueError, match="no"), step(seen.append, "bad"):
        raise ValueError("no")
    ends = [event for event in seen if isinstance(event, StepEnded)]
    assert [event.title for event in seen if isinstance(event, StepStarted)] == ["good", "bad"]
    assert [(e.title, e.failed, e.note) for e in ends] == [
        ("good", False, "already there"),
        ("bad", True, ""),
    ]


def test_the_digest_of_a_tree_ignores_time_and_umask_but_not_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "file").write_text("x")
        (tmp_path / name / "link").symlink_to("sub/file")
    os.utime(tmp_path / "two" / "sub" / "file", (1, 1))
    (tmp_path / "two" / "sub" / "file").chmod(0o600)
    first = digest.of_tree(tmp_path / "one")
    assert first == digest.of_tree(tmp_path / "two")
    (tmp_path / "two" / "sub" / "file").chmod(0o700)
    assert first != digest.of_tree(tmp_path / "two")
    (tmp_path / "one" / "sub" / "file").write_text("y")
    assert first != digest.of_tree(tmp_path / "one")


def test_parts_cannot_be_shifted_between_each_other() -> None:
    assert digest.of_parts(["ab", "c"]) != digest.of_parts(["a", "bc"])
