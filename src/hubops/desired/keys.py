"""The keys of our own files. Each stands once, in the JSON Schemas that editors use too."""

import json
from functools import cache
from pathlib import Path

from hubops.desired.model import Values

SCHEMAS = ("hubops", "hub", "people", "image")
_TYPES = {"string": str, "boolean": bool, "integer": int, "object": dict, "array": list}


@cache
def load_schema(name: str) -> Values:
    """One of `SCHEMAS`: that of a file of this name with .yaml behind it."""
    found: Values = json.loads((Path(__file__).parent / "schemas" / f"{name}.schema.json").read_text())
    return found


def keys_of(name: str, *path: str) -> dict[str, type]:
    """The keys of a file, or of what stands in it below a path (* for any key), each with its type.

    That a value may be null as well is true of all: then it counts as left out.
    """
    schema = load_schema(name)
    for part in path:
        schema = schema["additionalProperties"] if part == "*" else schema["properties"][part]
    return {key: _TYPES[rules["type"][0]] for key, rules in schema["properties"].items()}
