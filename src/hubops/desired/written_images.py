"""Images of our registry that somebody wrote out: in values, and in scripts among them."""

import re
from collections.abc import Iterator
from typing import Any


def written_images(values: Any, registry: str) -> Iterator[str]:
    """Each REPOSITORY[:TAG][@DIGEST] of the registry: in any text, and where name and tag stand side by side."""
    pattern = re.compile(rf"{re.escape(registry)}/[\w./-]+(?::[\w.-]+)?(?:@sha256:[0-9a-f]{{64}})?")
    yield from _written(values, pattern)


def _written(value: Any, pattern: re.Pattern[str]) -> Iterator[str]:
    if isinstance(value, str):
        yield from pattern.findall(value)
    elif isinstance(value, dict):
        name, tag = value.get("name"), value.get("tag")
        if isinstance(name, str) and tag is not None:
            yield from pattern.findall(f"{name}:{tag}")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _written(item, pattern)
