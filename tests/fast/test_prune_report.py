"""What a person and a program are told of a pruning."""

from datetime import UTC, datetime, timedelta

from hubops.plan.prune_model import Kept, Pruning, Spare
from hubops.report.prune import format_pruning, pruning_data

SINCE, DAY = datetime(2026, 3, 1, 10, tzinfo=UTC), timedelta(days=1)
DIGEST = f"sha256:{'0' * 12}"
GOING = Spare("r/hubs/earth", DIGEST + "1", ("c1", "c2"), SINCE)
WAITING = Spare("r/hubs/earth", DIGEST + "2", ("c3",), SINCE)
NEEDED = Kept("r/hubs/hub", DIGEST + "3", ("c4",), ("branch main", "pod a/b on campus", "values", "deploy 1"))


def pruning(delete: list[Spare], wait: list[Spare]) -> Pruning:
    return Pruning(delete, wait, [NEEDED], {})


def test_one_line_for_each_image_and_what_to_do() -> None:
    assert format_pruning(pruning([GOING], [WAITING]), DAY, deleted=False).splitlines() == [
        f"keep    r/hubs/hub c4 {DIGEST}: branch main; pod a/b on campus; 2 more",
        f"waits   r/hubs/earth c3 {DIGEST}: until 2026-03-02T10:00+00:00",
        f"delete  r/hubs/earth c1 c2 {DIGEST}",
        "1 images would be deleted, 1 wait, 1 are needed.",
        "Nothing was deleted. To delete: hubops images prune --delete",
    ]
    assert format_pruning(pruning([], [WAITING]), DAY, deleted=False).endswith(
        "The time begins that they wait for: hubops images prune --delete"
    )
    assert format_pruning(pruning([GOING], []), DAY, deleted=True).splitlines()[-2:] == [
        f"deleted  r/hubs/earth c1 c2 {DIGEST}",
        "1 images were deleted, 0 wait, 1 are needed.",
    ]


def test_the_data_has_every_reason() -> None:
    found = pruning_data(pruning([GOING], [WAITING]), DAY, deleted=False)
    assert found["keep"][0]["reasons"] == list(NEEDED.reasons)
    assert found["delete"][0]["tags"] == ["c1", "c2"]
    assert found["wait"][0]["until"] == "2026-03-02T10:00:00+00:00"
    assert "deleted" in pruning_data(pruning([GOING], []), DAY, deleted=True)
