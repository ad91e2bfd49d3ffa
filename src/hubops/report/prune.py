"""What is spare in a registry and what is not, in lines and as data."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from hubops.plan.prune_model import Kept, Pruning, Spare

_SHOWN_DIGEST = 19  # sha256: and twelve digits
_SHOWN_REASONS = 2


def format_pruning(pruning: Pruning, grace: timedelta, *, deleted: bool) -> str:
    """One line for each image, and what to do next."""
    lines = [*(_kept(each) for each in pruning.kept), *(_waits(each, grace) for each in pruning.wait)]
    lines += [f"{'deleted' if deleted else 'delete'}  {_image(each)}" for each in pruning.delete]
    return "\n".join([*sorted(lines, key=_order), *_summary(pruning, deleted=deleted)])


def pruning_data(pruning: Pruning, grace: timedelta, *, deleted: bool) -> dict[str, Any]:
    """The same, with every reason."""

    def spare(each: Spare) -> dict[str, Any]:
        times = {"since": each.since.isoformat(), "until": (each.since + grace).isoformat()}
        return {"repository": each.repository, "digest": each.digest, "tags": list(each.tags), **times}

    kept = [
        {"repository": e.repository, "digest": e.digest, "tags": list(e.tags), "reasons": list(e.reasons)}
        for e in pruning.kept
    ]
    return {
        "deleted" if deleted else "delete": [spare(each) for each in pruning.delete],
        "wait": [spare(each) for each in pruning.wait],
        "keep": kept,
    }


def _order(line: str) -> tuple[int, str]:
    word = line.split(" ", 1)[0]
    return ("keep", "waits", "delete", "deleted").index(word), line


def _kept(kept: Kept) -> str:
    shown = "; ".join(kept.reasons[:_SHOWN_REASONS])
    more = len(kept.reasons) - _SHOWN_REASONS
    return f"keep    {_image(kept)}: {shown}{f'; {more} more' if more > 0 else ''}"


def _waits(spare: Spare, grace: timedelta) -> str:
    return f"waits   {_image(spare)}: until {(spare.since + grace).isoformat(timespec='minutes')}"


def _image(image: Kept | Spare) -> str:
    return f"{image.repository} {' '.join(image.tags)} {image.digest[:_SHOWN_DIGEST]}"


def _summary(pruning: Pruning, *, deleted: bool) -> Iterator[str]:
    going, waiting = len(pruning.delete), len(pruning.wait)
    if deleted:
        yield f"{going} images were deleted, {waiting} wait, {len(pruning.kept)} are needed."
        return
    yield f"{going} images would be deleted, {waiting} wait, {len(pruning.kept)} are needed."
    if going:
        yield "Nothing was deleted. To delete: hubops images prune --delete"
    elif waiting:
        yield "Nothing was deleted. The time begins that they wait for: hubops images prune --delete"
