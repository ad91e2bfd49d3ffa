"""What is another in an image than in the one before it: packages, layers and sizes, for a reviewer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hubops.checks.trial_model import Contents, Layer, Package
from hubops.report.text import one_line

_MOST = 60  # packages that a report for people names
_STEP = 70  # characters of a Dockerfile's step
_SMALL = 50_000  # bytes of a layer, as which no reviewer misses one
_MB = 1_000_000

Versions = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Change:
    """A package, and its versions before and now: "" where it is not there, several where it is there twice."""

    kind: str
    name: str
    before: str
    now: str

    def __str__(self) -> str:
        if self.before and self.now:
            return f"~ {self.kind} {self.name} {self.before} → {self.now}"
        return f"{'+' if self.now else '-'} {self.kind} {self.name} {self.now or self.before}"


def compare_packages(before: Iterable[Package], now: Iterable[Package]) -> list[Change]:
    """Those that are not as they were, by kind and name."""
    old, new = _versions(before), _versions(now)
    return [
        Change(*key, old.get(key, ""), new.get(key, ""))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def describe_changes(before: Contents | None, now: Contents, why_unknown: str = "") -> list[str]:
    """Lines for people. Without `before` they say why there is nothing to compare with."""
    if before is None:
        return [*_sizes(None, now), f"no earlier image to compare with: {why_unknown}"]
    return [*_sizes(before, now), *_package_lines(before, now)]


def changes_as_json(
    image: str, before: Contents | None, now: Contents, notes: Sequence[str]
) -> Mapping[str, Any]:
    """All of it, for programs; sizes in bytes, null for what is not known."""
    known = before is not None and before.packages is not None and now.packages is not None
    changes = (
        compare_packages((before.packages if before else ()) or (), now.packages or ()) if known else None
    )
    return {
        "image": image,
        "bytes": _total(now),
        "bytes_before": _total(before) if before else None,
        "layers": None
        if now.layers is None
        else [{**asdict(one), "new": _is_new(one, before)} for one in now.layers],
        "packages": None if now.packages is None else [asdict(package) for package in now.packages],
        "changes": None if changes is None else [asdict(change) for change in changes],
        "notes": list(notes),
    }


def _package_lines(before: Contents, now: Contents) -> list[str]:
    if before.packages is None or now.packages is None:
        which = "this" if now.packages is None else "the earlier"
        return [f"packages: those of {which} image are not known"]
    changes = _each_once(compare_packages(before.packages, now.packages))
    more = [f"… and {len(changes) - _MOST} more"] if len(changes) > _MOST else []
    return [*map(str, changes[:_MOST]), *more] or ["packages: as before"]


def _each_once(changes: Sequence[Change]) -> list[Change]:
    """What conda installs Python finds as well."""
    conda = [replace(change, kind="python") for change in changes if change.kind == "conda"]
    return [change for change in changes if change not in conda]


def _sizes(before: Contents | None, now: Contents) -> Iterator[str]:
    if now.layers is None:
        return
    total, was = _total(now), _total(before) if before else None
    yield f"size: {_mb(total)}" + ("" if was is None else f", before {_mb(was)} ({_signed(total, was)})")
    for layer in now.layers:
        if before is not None and _is_new(layer, before) and layer.size >= _SMALL:
            yield f"new layer: {_mb(layer.size)}  {one_line(layer.made_by, _STEP)}".rstrip()


def _is_new(layer: Layer, before: Contents | None) -> bool:
    return before is None or layer.digest not in {one.digest for one in before.layers or ()}


def _total(contents: Contents) -> int | None:
    return None if contents.layers is None else sum(layer.size for layer in contents.layers)


def _versions(packages: Iterable[Package]) -> Versions:
    found: dict[tuple[str, str], list[str]] = {}
    for package in sorted({*packages}):
        found.setdefault((package.kind, package.name), []).append(package.version)
    return {key: ", ".join(versions) for key, versions in found.items()}


def _mb(size: int | None) -> str:
    return f"{(size or 0) / _MB:.1f} MB"


def _signed(now: int | None, before: int) -> str:
    return f"{((now or 0) - before) / _MB:+.1f} MB"
