"""What helm prints, as objects."""

import re
from collections.abc import Iterator
from typing import Any

from hubops.desired.manifests.model import Manifest, Wrong
from hubops.desired.yaml import parse_yaml
from hubops.errors import RepositoryError

_SEPARATOR = re.compile(r"^---(?:[ \t].*)?$\n?", re.MULTILINE)
_SOURCE = re.compile(r"^# Source: (.+)$", re.MULTILINE)
_PLACE = re.compile(r"manifest:([0-9]+)")


def read_manifests(text: str) -> Iterator[Manifest | Wrong]:
    """The objects in the order of helm; in the place of what is no object, what is wrong with it."""
    for document in _SEPARATOR.split(text):
        source = _SOURCE.search(document)
        template = source[1].strip() if source else ""
        try:
            value = parse_yaml(document, "manifest").value
        except RepositoryError as error:
            yield _unreadable(template, document, error)
            continue
        if value is not None:
            yield from _objects(template, value)


def _objects(template: str, value: Any) -> Iterator[Manifest | Wrong]:
    if not isinstance(value, dict):
        yield Wrong("manifest", template, "this is no object", "takes keys and values")
    elif value.get("kind") == "List" and value.get("apiVersion") == "v1":
        for item in value.get("items") or ():
            yield from _objects(template, item)
    else:
        yield Manifest(template, value)


def _unreadable(template: str, document: str, error: RepositoryError) -> Wrong:
    number = _PLACE.match(error.where)
    lines = document.splitlines()
    line = lines[int(number[1]) - 1] if number and int(number[1]) <= len(lines) else ""
    what = f"{error.what}{f' ({error.why})' if error.why else ''}"
    return Wrong("manifest", template, what, "reads it in another way, or not at all", error.hint, line=line)
