"""What may be removed, by tables; and what is shown before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fast.deploys import F, P, history, record
from fast.volumes import claim
from hubops.desired.model import Cluster
from hubops.desired.repository import load_fleet
from hubops.errors import RefusedError
from hubops.execute.restore import wanted
from hubops.plan.removal import require_archived, require_removable
from hubops.report.archive import format_doomed
from hubops.state.archive_model import Claim, Doomed, Kind, Receipt, Remains
from hubops.state.model import History

GOOD = Path(__file__).parent / "repositories" / "good"
RECEIPT = Receipt("course", "2026-03-01T10:00:00+00:00", "ci", 2, "vm:/archive", "0", {"d": "1", "a": "2"})
DATABASE, ADA = claim(Kind.DATABASE, "hub-db-dir", "d"), claim(uid="a")
UNUSED = replace(claim(uid="new"), bound=False)
PROVED = history(record(1, P), record(2, P), hub="course")
NEWER = history(record(2, P), record(3, F), hub="course")

Case = tuple[str, list[Claim], int, Receipt | None, History, str]
CASES: list[Case] = [
    ("all is in it", [DATABASE, ADA], 0, RECEIPT, PROVED, ""),
    ("half of it is removed already", [ADA], 0, RECEIPT, PROVED, ""),
    ("nothing was ever archived", [DATABASE], 0, None, PROVED, "no archive"),
    ("a deploy came after, even one that failed", [DATABASE, ADA], 0, RECEIPT, NEWER, "deploy 3 came after it"),
    ("somebody came after", [DATABASE, ADA, claim(uid="b")], 0, RECEIPT, PROVED, "1 volumes are not in it"),
    ("a home of the same name was made anew", [DATABASE, claim(uid="a2")], 0, RECEIPT, PROVED, "1 volumes are not"),
    ("a claim that was never mounted holds nothing", [DATABASE, UNUSED], 0, RECEIPT, PROVED, ""),
    ("somebody worked meanwhile", [ADA], 0, replace(RECEIPT, claims={"a": ""}), PROVED, "homes were in use"),
    ("somebody works now", [DATABASE, ADA], 1, RECEIPT, PROVED, "1 servers of people run"),
    ("never deployed by hubops", [DATABASE], 0, replace(RECEIPT, deploy=0), History("course"), ""),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_hub_is_removed_only_when_it_is_archived_as_it_is(case: Case) -> None:
    _, claims, servers, receipt, own, why = case
    hub = load_fleet(GOOD).hubs["course"]
    if not why:
        require_archived(hub, claims, servers, receipt, own)
        return
    with pytest.raises(RefusedError) as caught:
        require_archived(hub, claims, servers, receipt, own)
    assert why in caught.value.why
    assert "--without-archive" in caught.value.hint


def test_a_hub_that_proves_another_stays() -> None:
    fleet = load_fleet(GOOD)
    with pytest.raises(RefusedError, match="staging proves other hubs") as caught:
        require_removable(fleet, fleet.hubs["staging"], Remains(()))
    assert "course" in caught.value.where


def test_a_hub_in_a_namespace_of_another_stays() -> None:
    fleet = load_fleet(GOOD)
    course = replace(fleet.hubs["course"], cluster=Cluster("campus", context="campus-admin"))
    other = replace(course, name="twin", cluster=Cluster("under another name", context="campus-admin"))
    with pytest.raises(RefusedError, match="shares its namespace"):
        require_removable(replace(fleet, hubs={**fleet.hubs, "twin": other}), course, Remains(()))


def test_a_hub_that_is_not_there_cannot_be_removed() -> None:
    fleet = load_fleet(GOOD)
    with pytest.raises(RefusedError, match="nothing of course"):
        require_removable(fleet, fleet.hubs["course"], Remains((), present=False))
    require_removable(fleet, fleet.hubs["course"], Remains(()))


def test_what_goes_is_shown_in_numbers() -> None:
    hub = load_fleet(GOOD).hubs["course"]
    remains = Remains((DATABASE, ADA, replace(ADA, size="5Gi")), revisions=2, pods=2, servers=1)
    text = format_doomed(hub, Doomed(remains, RECEIPT))
    assert "volumes, home: 1 of 1Gi, 1 of 5Gi" in text
    assert "archive: of 2026-03-01T10:00:00+00:00 by ci, in vm:/archive" in text
    assert "ada" not in text
    beside = format_doomed(hub, Doomed(replace(remains, others=("claim data",)), None))
    assert "stays: claim data is in it" in beside
    assert "archive: none" in beside


def test_a_restored_claim_is_as_it_was_but_for_its_volume() -> None:
    notes: dict[str, Any] = {**ADA.annotations, "pv.kubernetes.io/bind-completed": "yes"}
    found = wanted(replace(ADA, annotations=notes))
    assert (found.annotations, found.labels, found.name) == (ADA.annotations, ADA.labels, ADA.name)
