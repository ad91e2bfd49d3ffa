"""Which images of a registry may go: those that nobody needs, and has not needed for a while (docs/adr/0020)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hubops.desired.model import ImageReference
from hubops.plan.prune_model import Kept, Pruning, Spare
from hubops.state.image_model import Marks, Need, Stored

_IN_AN_INDEX = "an index that is kept"
_Reasons = Mapping[str, Sequence[str]]


def decide_prune(
    stored: Iterable[Stored],
    needs: Iterable[Need],
    marks: Marks,
    now: datetime,
    grace: timedelta,
    *,
    agreed: Pruning | None = None,
) -> Pruning:
    """What may be deleted `now`: what nobody of `needs` names, and has not named for `grace`.

    A digest or a tag that somebody names stays in every repository, for a registry may have several names.
    Deleting goes by digest and takes all tags of it, so that each of them keeps it; an index keeps the
    manifests in it. With an earlier decision that was `agreed` to, no more than that is deleted.
    """
    reasons = _reasons(needs)
    may = {(each.key, each.tags) for each in agreed.delete} if agreed else None
    delete: list[Spare] = []
    wait: list[Spare] = []
    kept: list[Kept] = []
    for each in stored:
        own = _kept(each, reasons)
        spare = _spare(each, {one.digest for one in own}, marks, now)
        old = [
            one for one in spare if now - one.since >= grace and (may is None or (one.key, one.tags) in may)
        ]
        young = [one for one in spare if one not in old]
        staying = [*reasons, *(one.digest for one in own), *(one.digest for one in young)]
        kept += own
        wait += young
        delete += _with_own_children(each, old, staying)
    marked = {spare.key: spare.since for spare in (*delete, *wait)}
    return Pruning(delete, wait, kept, marked)


def _reasons(needs: Iterable[Need]) -> _Reasons:
    """Who needs a digest or, where none is named, a tag; each once."""
    found: dict[str, dict[str, None]] = {}
    for need in needs:
        image = ImageReference.parse(need.image)
        found.setdefault(image.digest or image.tag, {})[need.reason] = None
    return {name: list(reasons) for name, reasons in found.items()}


def _by_digest(stored: Stored) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for tag, digest in sorted(stored.tags.items()):
        found.setdefault(digest, []).append(tag)
    return {digest: tuple(tags) for digest, tags in found.items()}


def _kept(stored: Stored, reasons: _Reasons) -> list[Kept]:
    images = _by_digest(stored)
    why = {
        digest: tuple(dict.fromkeys(reason for name in (*tags, digest) for reason in reasons.get(name, ())))
        for digest, tags in images.items()
    }
    held = _closed(stored, [*reasons, *(digest for digest, found in why.items() if found)])
    return [
        Kept(stored.repository, digest, tags, why[digest] or (_IN_AN_INDEX,))
        for digest, tags in images.items()
        if digest in held
    ]


def _spare(stored: Stored, kept: set[str], marks: Marks, now: datetime) -> list[Spare]:
    """Tagged images that are not kept, each since it was first found to be spare; a clock that ran ahead is not believed."""
    found = [
        Spare(stored.repository, digest, tags, now)
        for digest, tags in _by_digest(stored).items()
        if digest not in kept
    ]
    return [replace(each, since=min(marks.get(each.key, now), now)) for each in found]


def _with_own_children(stored: Stored, old: Sequence[Spare], staying: Iterable[str]) -> list[Spare]:
    """Those to be deleted, each with the manifests that no other index has which stays."""
    stay = _closed(stored, staying)
    return [
        replace(each, children=tuple(sorted(_closed(stored, [each.digest]) - stay - {each.digest})))
        for each in old
    ]


def _closed(stored: Stored, digests: Iterable[str]) -> set[str]:
    """The digests with all manifests in them, and in those."""
    found: set[str] = set()
    left = list(digests)
    while left:
        digest = left.pop()
        if digest not in found:
            found.add(digest)
            left += stored.children.get(digest, ())
    return found
