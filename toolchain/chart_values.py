"""Writes what follows from the schema of the embedded chart: its values.yaml, and the tables in docs/chart.md.

    python toolchain/chart_values.py

The schema is the one source of keys, types, defaults, units and examples (docs/adr/0022). tests/fast/test_chart.py wants the
two files as this writes them.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts/jupyterhub"
PAGE = ROOT / "docs/chart.md"
Schema = dict[str, Any]

_WIDTH = 112
_HEAD = """# Written by toolchain/chart_values.py from values.schema.json: edit that file.
#
# Zero to JupyterHub's keys with Zero to JupyterHub's meaning, as far as this chart goes. Any other key is refused: for
# it, use the upstream chart, by two lines of the hub's Chart.yaml (version and repository of the dependency).
#
# Required, and never generated here, so that the same values always render the same objects:
# proxy.secretToken, hub.cookieSecret, hub.config.CryptKeeper.keys, and the names of the three images.
"""
# What stands here is handed on as it is: a null would be handed on too.
_HANDED_ON = ("hub.config", "singleuser.lifecycleHooks")
_TYPES = {
    "string": "text",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "object": "keys and values",
    "array": "list",
}
_PART = re.compile(r"(<!-- values of (\w*) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def load_schema() -> Schema:
    """The schema of the embedded chart."""
    schema: Schema = json.loads((CHART / "values.schema.json").read_text())
    return schema


def format_values(schema: Schema) -> str:
    """values.yaml: every key with its default."""
    blocks = ["\n".join(_lines(schema, name, "")) for name in schema["properties"]]
    return "\n\n".join([_HEAD, *blocks]).replace("\n\n\n", "\n\n") + "\n"


def _lines(parent: Schema, name: str, above: str) -> Iterator[str]:
    """The lines of one key, below the dotted path `above`."""
    node, path = parent["properties"][name], f"{above}.{name}".removeprefix(".")
    indent = "  " * path.count(".")
    if path.startswith(_HANDED_ON) and node.get("default") is None and not node.get("properties"):
        return
    below = [line for child in node.get("properties", {}) for line in _lines(node, child, path)]
    if "properties" in node and not below and path.startswith("hub.config."):
        return
    words = " ".join(filter(None, [node["description"], node.get("$comment", "")]))
    yield from textwrap.wrap(words, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
    yield f"{indent}{name}:" if below else textwrap.indent(_entry(name, node.get("default", {})), indent)
    yield from below


def _entry(name: str, default: Any) -> str:
    """One key with its default, on several lines where that is a list of maps."""
    if default is None:
        return f"{name}:"
    if isinstance(default, list) and default and not any(isinstance(each, dict) for each in default):
        return f"{name}: {yaml.safe_dump(default, default_flow_style=True).rstrip()}"
    return yaml.safe_dump({name: default}, sort_keys=False, width=200).rstrip()


def format_table(schema: Schema, section: str) -> str:
    """The keys of one section as a table; of "" those beside the sections."""
    if section:
        node = schema["properties"][section]
        rows = list(_rows(node, f"{section}."))
    else:
        loose = {key: node for key, node in schema["properties"].items() if "properties" not in node}
        rows = list(_rows({"properties": loose}, ""))
    return "\n".join(
        ["| key | type | meaning | default | example |", "| --- | --- | --- | --- | --- |", *rows]
    )


def _rows(parent: Schema, above: str) -> Iterator[str]:
    children = {**parent.get("properties", {})}
    for name, child in children.items():
        if "properties" in child:
            yield from _rows(child, f"{above}{name}.")
            continue
        default = "" if child.get("default") is None else _code(child["default"])
        cells = [f"`{above}{name}`", _type(child), _meaning(child), default, _code(child["examples"][0])]
        yield f"| {' | '.join(cells)} |"
        if isinstance(each := child.get("additionalProperties"), dict) and "properties" in each:
            yield from _rows(each, f"{above}{name}.<name>.")


def _type(node: Schema) -> str:
    reference = {"texts": "texts by name", "list": "list", "open": "keys and values"}
    if "$ref" in node:
        return reference[node["$ref"].rpartition("/")[2]]
    if "enum" in node:
        return "choice"
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return " or ".join(_TYPES[kind] for kind in kinds if kind != "null")


def _meaning(node: Schema) -> str:
    known = [f"`{json.dumps(value)}`" for value in node.get("enum", ()) if value not in {None, ""}]
    one_of = f"One of {', '.join(known).replace(chr(34), '')}." if known else ""
    words = " ".join(filter(None, [node["description"], one_of, node.get("$comment", "")]))
    return words.replace("|", "\\|")


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = text.strip().replace("|", "\\|").replace("\n", " ")
    return f"`{shown}`" if shown else "an empty text"


def format_page(page: str, schema: Schema) -> str:
    """docs/chart.md with today's tables between its marks."""
    return _PART.sub(lambda part: f"{part[1]}{format_table(schema, part[2])}{part[3]}", page)


def main() -> None:
    """Write both files."""
    schema = load_schema()
    (CHART / "values.yaml").write_text(format_values(schema))
    PAGE.write_text(format_page(PAGE.read_text(), schema))


if __name__ == "__main__":
    main()
