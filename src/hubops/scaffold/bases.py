"""bases.lock as it is written."""

from collections.abc import Mapping

_HEAD = "# What FROM and COPY --from mean, by digest. Written by: hubops build --update-bases\n"


def bases_text(digests: Mapping[str, str]) -> str:
    """One image a line, so that each change is one."""
    return _HEAD + "".join(f"{name}: {digests[name]}\n" for name in sorted(digests))
