"""What the runner in an image tells, judged; an answer that is none of its own is never taken for good."""

from typing import Any

import pytest

from hubops.checks.proof_model import Cell, Notebook
from hubops.checks.smoke_judge import find_faults, find_silent, join

NOTEBOOK = Notebook(
    "user-images/earth/tests/a.ipynb", "python3", (Cell(1, "one"), Cell(2, "two", stdout="2"))
)
WELL = [{"version": "5.5.0", "fault": "", "output": ""}]


def message(kind: str, **content: Any) -> dict[str, Any]:
    return {"header": {"msg_type": kind}, "parent_header": {"msg_id": "m"}, "content": content}


def cell(stdout: str, *, ended: bool = True) -> dict[str, Any]:
    end = [message("status", execution_state="idle"), message("execute_reply", status="ok")]
    return {"id": "m", "messages": [message("stream", name="stdout", text=stdout), *(end if ended else [])]}


def find(*cells: dict[str, Any], fault: str = "", servers: list[dict[str, Any]] = WELL) -> list[str]:
    answer = {"servers": servers, "notebooks": [{"cells": list(cells), "fault": fault}]}
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


def test_where_no_server_starts_no_notebook_was_run() -> None:
    assert find(servers=[{"version": "", "fault": "it is not on the PATH", "output": ""}]) == []


def test_a_notebook_with_which_nothing_is_compared_is_noted() -> None:
    silent = Notebook("b.ipynb", "python3", (Cell(1, "one"),))
    assert list(find_silent([NOTEBOOK, silent])) == ["b.ipynb stores no outputs: it must only run to its end"]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"servers": WELL, "notebooks": []},
        {"servers": WELL, "notebooks": [{"cells": [cell("1")], "fault": ""}]},
        {"servers": WELL, "notebooks": [{"cells": [{"id": "m", "messages": [None]}], "fault": ""}]},
        {"servers": WELL, "notebooks": "x"},
        [],
    ],
    ids=repr,
)
def test_an_answer_that_is_not_the_runners_is_not_taken_for_good(answer: Any) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        list(find_faults("earth", [NOTEBOOK], answer))


def test_the_first_fault_names_the_others() -> None:
    answer = {"servers": WELL, "notebooks": [{"cells": [], "fault": "a"}, {"cells": [], "fault": "b"}]}
    error = join(list(find_faults("earth", [NOTEBOOK, NOTEBOOK], answer)))
    assert error.why == "a\nbesides: user-images/earth/tests/a.ipynb does not start in the image earth: b"
