"""What is found in an image, compared with what hubs ask of it."""

from dataclasses import replace
from typing import Any

import pytest

from hubops.checks.image_judge import find_image_faults, find_notes, fits, read_packages
from hubops.checks.trial_model import Package
from hubops.desired.seat_model import Seat

SEAT = Seat("staginghub", hub_version="5.5.4")
SERVER = {"version": "5.4.0", "fault": "", "output": ""}
WELL: dict[str, Any] = {
    "uid": 1000,
    "account": "jovyan",
    "home": "/home/jovyan",
    "home_fault": "",
    "fresh_home_fault": "",
    "hidden": {"/home/jovyan": []},
    "packages": [["python", "numpy", "2.2.0"], ["debian", "git", "1:2.39"]],
    "servers": [SERVER],
}


def find(seat: Seat = SEAT, **answer: Any) -> list[str]:
    return [f"{error.what} | {error.why}" for error in find_image_faults("earth", [seat], {**WELL, **answer})]


def note(seat: Seat = SEAT, **answer: Any) -> list[str]:
    return list(find_notes([seat], {**WELL, **answer}))


def test_a_good_image_has_neither_faults_nor_notes() -> None:
    assert find() == []
    assert note() == []


def test_root_is_refused_whatever_the_hub_says_and_nothing_else_is_told() -> None:
    for uid in (1000, 0, None):
        [found] = find(replace(SEAT, uid=uid), uid=0, home_fault="x")
        assert found.startswith("the user of the image earth is root | ")


def test_the_user_is_the_one_whom_the_hub_starts_servers_as() -> None:
    [found] = find(uid=1001, home_fault="x")
    assert found.startswith(
        "the user of the image earth is user id 1001 | staginghub starts people's servers as user id 1000"
    )
    assert find(replace(SEAT, uid=1001), uid=1001) == []
    assert find(replace(SEAT, uid=None), uid=1001) == []


@pytest.mark.parametrize("which", ["home_fault", "fresh_home_fault"])
def test_a_home_that_cannot_be_written_to(which: str) -> None:
    assert find(SEAT, **{which: "denied"}) == [
        "the user of the image earth cannot write to its home | user id 1000, home /home/jovyan: denied"
    ]


def test_a_server_that_does_not_start() -> None:
    server = {"version": "", "fault": "it ended with exit code 1", "output": "ImportError: x\n"}
    assert find(servers=[server]) == [
        "jupyterhub-singleuser does not start in the image earth: it ended with exit code 1 | ImportError: x"
    ]


def test_a_server_of_another_major_version() -> None:
    [found] = find(servers=[{**SERVER, "version": "4.1.6"}])
    assert found.startswith(
        "JupyterHub 4.1.6 of the image earth does not fit JupyterHub 5.5.4 of staginghub | "
    )


def test_versions_fit_by_jupyterhubs_rule_and_unknown_ones_always() -> None:
    assert fits("5.0.0", "5.5.4")
    assert fits("5.6.0.dev1", "5.5.4")
    assert not fits("6.0.0b1", "5.5.4")
    assert not fits("15.0.0", "1.5.0")
    assert fits("", "5.5.4")
    assert fits("4.0", "")


def test_every_way_to_start_a_server_is_judged_for_its_hubs() -> None:
    lab = replace(SEAT, hub="labhub", command=("lab",), hub_version="6.1")
    answer = {**WELL, "servers": [SERVER, {"version": "", "fault": "it is not on the PATH", "output": ""}]}
    [error] = find_image_faults("earth", [SEAT, lab, replace(SEAT, hub="other")], answer)
    assert error.what == "lab does not start in the image earth: it is not on the PATH"


def test_what_a_volume_hides_is_noted() -> None:
    names = ["a.ipynb", "course/"]
    assert note(hidden={"/home/jovyan": names}) == [
        "people do not see a.ipynb, course/ of /home/jovyan: their volume is mounted over it"
    ]
    [found] = note(hidden={"/home/jovyan": [f"f{n}" for n in range(9)]})
    assert "f5 and 3 more of" in found


def test_a_home_beside_the_volume_is_noted() -> None:
    [found] = note(home="/home/rstudio")
    assert found.startswith("what people keep in /home/rstudio is lost")
    assert note(hidden={"/home/jovyan/work": []}) == []
    assert note(hidden={"/home": []}) == []
    assert note(hidden={}) == []


def test_other_notes() -> None:
    assert note(account="") == ["user id 1000 has no name in /etc/passwd: git, ssh and shells want one"]
    assert note(servers=[{**SERVER, "version": ""}]) == ["the server does not tell its version"]
    assert note(replace(SEAT, unknown="no chart")) == [
        "whether it fits the hub's version is not known: no chart"
    ]


def test_packages_are_in_order_and_once() -> None:
    twice = [*WELL["packages"], ["python", "numpy", "2.2.0"]]
    assert read_packages({"packages": twice}) == (
        Package("debian", "git", "1:2.39"),
        Package("python", "numpy", "2.2.0"),
    )


@pytest.mark.parametrize("answer", [{}, {**WELL, "servers": []}, {**WELL, "uid": None}, []], ids=repr)
def test_an_answer_that_is_not_the_scripts_is_not_taken_for_good(answer: Any) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        list(find_image_faults("earth", [SEAT], answer))
