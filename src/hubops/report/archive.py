"""What an archive holds, in a few lines; people are counted, not named."""

from pathlib import Path

from hubops.state.archive_model import Manifest

_UNITS = ("B", "KiB", "MiB", "GiB")
_STEP = 1024


def format_archive(manifest: Manifest, directory: Path) -> str:
    """What is where."""
    databases = len(manifest.archived) - manifest.homes
    in_use = sum(each.claim.in_use for each in manifest.archived)
    changed = sum(each.changed for each in manifest.archived)
    files = sum(each.files for each in manifest.archived)
    packed = format_bytes(sum(each.packed_bytes for each in manifest.archived))
    lines = [
        f"{manifest.hub}: {databases} database, {manifest.homes} homes, {files} files, {packed}",
        f"  in {directory}",
        f"  restored to see that it can be: {len(manifest.sample)} of {len(manifest.archived)} volumes",
    ]
    if in_use:
        lines.append(f"  {in_use} homes were in use; {changed} files changed while they were read")
    return "\n".join(lines)


def format_bytes(number: float) -> str:
    """A size for people, in binary units."""
    for unit in _UNITS[:-1]:
        if number < _STEP:
            return f"{number:.0f} {unit}"
        number /= _STEP
    return f"{number:.1f} {_UNITS[-1]}"
