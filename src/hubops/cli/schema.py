"""hubops schema: the keys of our own files, for editors and for the documentation."""

import json
from collections.abc import Iterator

import click

from hubops.desired.keys import SCHEMAS, load_schema
from hubops.desired.model import Values

_TYPES = {
    "string": "text",
    "boolean": "true or false",
    "integer": "whole number",
    "object": "keys and values",
    "array": "list",
}


@click.command()
@click.argument("file", type=click.Choice(SCHEMAS))
@click.option("--format", "form", type=click.Choice(["json", "markdown"]), default="json")
def command(file: str, form: str) -> None:
    """Print the JSON Schema of FILE.yaml."""
    schema = load_schema(file)
    click.echo(json.dumps(schema, indent=2) if form == "json" else format_markdown(schema))


def format_markdown(schema: Values) -> str:
    """The keys as a table, as it stands in docs/files.md."""
    rows = ["| key | type | meaning | default |", "| --- | --- | --- | --- |", *_rows(schema, "")]
    return "\n".join([schema["description"], "", *rows])


def _rows(schema: Values, above: str) -> Iterator[str]:
    for key, rules in schema.get("properties", {}).items():
        yield f"| `{above}{key}` | {_TYPES[rules['type'][0]]} | {_meaning(rules)} | {_default(rules)} |"
        yield from _rows(rules, f"{above}{key}.")
    if isinstance(below := schema.get("additionalProperties"), dict):
        yield from _rows(below, f"{above}<name>.")


def _meaning(rules: Values) -> str:
    known = [f"`{value}`" for value in rules.get("enum", ()) if value is not None]
    examples = [f"`{example}`" for example in rules.get("examples", ())]
    one_of = f" One of {', '.join(known)}." if known else ""
    about: str = rules["description"]
    return about + one_of + (f" For example {examples[0]}." if examples else "")


def _default(rules: Values) -> str:
    default = rules.get("default", "")
    text = default if isinstance(default, str) else json.dumps(default)
    return f"`{text}`" if text and " " not in text else text
