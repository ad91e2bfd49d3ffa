"""What an archive holds, in a few lines; people are counted, not named."""

from collections import Counter

from hubops.desired.model import Hub
from hubops.state.archive_model import Doomed, Kind, Manifest

_UNITS = ("B", "KiB", "MiB", "GiB")
_STEP = 1024


def format_archive(manifest: Manifest, where: str) -> str:
    """What is where."""
    databases = len(manifest.archived) - manifest.homes
    in_use = sum(each.claim.in_use for each in manifest.archived)
    changed = sum(each.changed for each in manifest.archived)
    files = sum(each.files for each in manifest.archived)
    packed = format_bytes(sum(each.packed_bytes for each in manifest.archived))
    lines = [
        f"{manifest.hub}: {databases} database, {manifest.homes} homes, {files} files, {packed}",
        f"  in {where}",
        f"  restored to see that it can be: {len(manifest.sample)} of {len(manifest.archived)} volumes",
    ]
    if in_use:
        lines.append(f"  {in_use} homes were in use; {changed} files changed while they were read")
    return "\n".join(lines)


def format_restored(manifest: Manifest) -> str:
    """What came back, and from when."""
    databases = len(manifest.archived) - manifest.homes
    return (
        f"{manifest.hub}: {databases} database and {manifest.homes} homes are as they were at {manifest.at}; "
        f"now prove it: hubops verify {manifest.hub}"
    )


def format_doomed(hub: Hub, doomed: Doomed) -> str:
    """What a removal deletes, and what stays."""
    remains, receipt = doomed.remains, doomed.receipt
    lines = [
        f"{hub.name} on cluster {hub.cluster.name}: this will be deleted, and only an archive brings it back",
        f"  release {hub.release}: {remains.revisions} revisions, {remains.pods} pods",
        f"  {remains.servers} servers of people",
    ]
    for kind in Kind:
        sizes = Counter(claim.size for claim in remains.claims if claim.kind is kind)
        asked = ", ".join(f"{number} of {size}" for size, number in sorted(sizes.items()))
        lines.append(f"  volumes, {kind.value}: {asked or 'none'}")
    lines.append(
        f"  namespace {hub.namespace} stays: {', '.join(remains.others)} is in it"
        if remains.others
        else f"  namespace {hub.namespace} with all that is left in it"
    )
    lines.append(
        f"  archive: of {receipt.at} by {receipt.by}, in {receipt.place}" if receipt else "  archive: none"
    )
    return "\n".join(lines)


def format_bytes(number: float) -> str:
    """A size for people, in binary units."""
    for unit in _UNITS[:-1]:
        if number < _STEP:
            return f"{number:.0f} {unit}"
        number /= _STEP
    return f"{number:.1f} {_UNITS[-1]}"
