"""What the runner in an image tells, judged; an answer that is none of its own is never taken for good."""

from typing import Any

import pytest

from hubops.checks.proof_model import Cell, Notebook
from hubops.checks.smoke_judge import find_faults, join

NOTEBOOK = Notebook(
    "user-images/earth/tests/a.ipynb", "python3", (Cell(1, "one"), Cell(2, "two", stdout="2"))
)
WELL = {"code": 0, "output": "5.5.0\n"}


def message(kind: str, **content: Any) -> dict[str, Any]:
    return {"header": {"msg_type": kind}, "parent_header": {"msg_id": "m"}, "content": content}


def cell(stdout: str, *, ended: bool = True) -> dict[str, Any]:
    end = [message("status", execution_state="idle"), message("execute_reply", status="ok")]
    return {"id": "m", "messages": [message("stream", name="stdout", text=stdout), *(end if ended else [])]}


def find(*cells: dict[str, Any], fault: str = "", server: dict[str, Any] = WELL) -> list[str]:
    answer = {"singleuser": server, "notebooks": [{"cells": list(cells), "fault": fault}]}
    return [f"{error.what} | {error.why}" for error in find_faults("earth", [NOTEBOOK], answer)]


def test_a_notebook_does_well_when_every_cell_ends_and_gives_what_is_stored() -> None:
    assert find(cell("anything"), cell("2\n")) == []


def test_the_first_cell_that_goes_wrong_is_told() -> None:
    where = "cell 2 of user-images/earth/tests/a.ipynb fails in the image earth"
    different = "stdout is '3' and must be '2'"
    assert find(cell("1"), cell("3")) == [f"{where}: {different} | {different}"]
    assert find(cell("1"), cell("2", ended=False), fault="late") == [f"{where}: late | late"]
    assert find(fault="no kernel") == [
        "user-images/earth/tests/a.ipynb does not start in the image earth: no kernel | no kernel"
    ]


def test_without_a_singleuser_server_nothing_else_is_told() -> None:
    [found] = find(server={"code": 127, "output": "not found\n"})
    assert found.startswith("the image earth has no jupyterhub-singleuser that works | ")
    assert found.endswith("not found")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"singleuser": WELL, "notebooks": []},
        {"singleuser": WELL, "notebooks": [{"cells": [cell("1")], "fault": ""}]},
        {"singleuser": WELL, "notebooks": [{"cells": [{"id": "m", "messages": [None]}], "fault": ""}]},
        {"singleuser": WELL, "notebooks": "x"},
        [],
    ],
    ids=repr,
)
def test_an_answer_that_is_not_the_runners_is_not_taken_for_good(answer: Any) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        list(find_faults("earth", [NOTEBOOK], answer))


def test_the_first_fault_names_the_others() -> None:
    answer = {"singleuser": WELL, "notebooks": [{"cells": [], "fault": "a"}, {"cells": [], "fault": "b"}]}
    error = join(list(find_faults("earth", [NOTEBOOK, NOTEBOOK], answer)))
    assert error.why == "a\nbesides: user-images/earth/tests/a.ipynb does not start in the image earth: b"
