"""Who may not be on a hub any more."""

from collections.abc import Collection, Iterable

from hubops.desired.model import Access

_FEW = 5
_PART = 5  # a fifth


def who_leaves(
    known: Iterable[str], wanted: Access, had: Access | None, told: Collection[str] = ()
) -> list[str]:
    """Of the people whom a hub knows those who are to go, in order; `had` is whom it let in before.

    `told` are those, in lower case, whom somebody wants to go now: they do unless they are named, whatever was before.

    Where others than the named may come, by a group or all, only those go who are blocked or were named
    before. A former admin goes as well where the admins are not only the named: they come back as anybody.
    """
    had, gone = had or Access(), {*told} - wanted.named
    return sorted(name for name in known if name.lower() in gone or _leaves(name.lower(), wanted, had))


def most_leaving(known: int, confirmed: int) -> int:
    """How many of the people whom a hub knows may be taken off it at once.

    As many as are seen to leave in any week; more are likelier a slip, or a hub whose people nobody wrote down
    yet, unless somebody `confirmed` so many.
    """
    return max(confirmed, _FEW, known // _PART)


def _leaves(name: str, wanted: Access, had: Access) -> bool:
    if name in wanted.blocked:
        return True
    if name not in wanted.named and (wanted.closed or name in had.named):
        return True
    return not wanted.admins_closed and name in had.admins - wanted.admins
