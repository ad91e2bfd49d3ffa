"""Derive src/hubops/desired/manifests/kubernetes.json from the Go modules of Kubernetes.

    python toolchain/kubernetes_api.py        (needs Go, and a Go module proxy)

What is kept: of each minor version the kinds that can be created, and their schemas without descriptions and status;
and when which version of a kind came, was deprecated, went, and what takes its place.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/hubops/desired/manifests/kubernetes.json"
# The newest patch of each minor version that is offered as a target; that of the local cluster as it is built.
RELEASES = ("v1.32.13", "v1.33.13", "v1.34.4", "v1.35.4", "v1.36.3", "v1.37.2")
# Older ones know when what is long gone went: later modules forget it. The newest that knows a kind decides.
_LIFECYCLES = ("v0.24.17", "v0.28.15", *(f"v0{release[2:]}" for release in RELEASES))
_LIFECYCLE_MODULES = ("k8s.io/api", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator")

Json = dict[str, Any]
_LONG = re.compile(r"^io\.k8s\.(?:api|apimachinery\.pkg\.apis|apimachinery\.pkg|[\w-]+\.pkg\.apis)\.")
_COLLECTION = re.compile(r"/apis?/(?:[^/]+/)?v\w+/(namespaces/\{namespace\}/)?[a-z]+")
_DEPRECATED = re.compile(r"deprecated in v1\.(\d+)\+")
_FUNCTION = re.compile(r"^func schema_\w*?(?=[a-z0-9]+_v\d)(\w+)\(ref", re.MULTILINE)
_PROPERTY = re.compile(r'^\t{5}"([^"]+)": \{$', re.MULTILINE)
_ENUM = re.compile(r"Enum: +\[\]interface\{\}\{(.*)\},$", re.MULTILINE)
_EVENT = re.compile(r"func \(in \*(\w+)\) APILifecycle(\w+)\(\) \(major, minor int\) \{\n\treturn 1, (\d+)\n")
_REPLACED = re.compile(
    r"func \(in \*(\w+)\) APILifecycleReplacement\(\).*\n"
    r'\treturn schema\.GroupVersionKind\{Group: "(.*)", Version: "(.*)", Kind: "(.*)"\}'
)
_GROUP = re.compile(r'const GroupName = "(.*)"')
_INT32: Json = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
# What OpenAPI says in words only: how the API server reads these.
_SPECIAL: Json = {
    "api.resource.Quantity": {"type": ["string", "number"], "format": "quantity"},
    "util.intstr.IntOrString": {"type": ["string", "integer"]},
    "int32": _INT32,
    "byte": {"type": "string", "format": "byte"},
}
_NAMED_FORMATS = ("int32", "byte")


def derive() -> Json:
    """All that is shipped. Downloads modules that are not in Go's module cache yet."""
    kinds: dict[str, dict[str, Json]] = {}
    definitions: dict[str, dict[str, list[int]]] = {}
    lifecycle = _lifecycle()
    for release in RELEASES:
        minor = int(release.split(".")[1])
        directory = _module("k8s.io/kubernetes", release)
        document = json.loads((directory / "api/openapi-spec/swagger.json").read_text())
        enums = _enums((directory / "pkg/generated/openapi/zz_generated.openapi.go").read_text())
        found = dict(_kinds(document))
        for (version, kind), (name, namespaced) in found.items():
            entry = {"schema": name, **({"namespaced": True} if namespaced else {})}
            known = kinds.setdefault(version, {}).setdefault(kind, {**entry, "in": []})
            known["in"].append(minor)
            about = document["definitions"][_long(document, name)].get("description", "")
            if at := _DEPRECATED.search(about):
                lifecycle.setdefault(f"{version} {kind}", {})["deprecated"] = int(at[1])
        schemas = {_short(name): each for name, each in document["definitions"].items()} | _SPECIAL
        for name, schema in _reached(schemas, (name for name, _ in found.values()), enums):
            text = json.dumps(schema, sort_keys=True)
            definitions.setdefault(name, {}).setdefault(text, []).append(minor)
    return {
        "releases": {release.split(".")[1]: release for release in RELEASES},
        "kinds": kinds,
        "lifecycle": lifecycle,
        "definitions": {
            name: [{"in": minors, "schema": json.loads(text)} for text, minors in variants.items()]
            for name, variants in definitions.items()
        },
    }


def written(derived: Json) -> str:
    """As JSON with one line for each kind, life and definition, so that a change can be read."""
    parts = []
    for key, value in derived.items():
        lines = [f"  {json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in sorted(value.items())]
        parts.append(f" {json.dumps(key)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _module(name: str, version: str) -> Path:
    """Where Go has the module, downloaded and its sum checked."""
    command = [os.environ.get("HUBOPS_GO", "go"), "mod", "download", "-json", f"{name}@{version}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    return Path(json.loads(said.stdout)["Dir"])


def _short(name: str) -> str:
    return _LONG.sub("", name)


def _long(document: Json, name: str) -> str:
    return next(str(each) for each in document["definitions"] if _short(each) == name)


def _kinds(document: Json) -> Iterator[tuple[tuple[str, str], tuple[str, bool]]]:
    """Each kind that can be created: its version and name, its schema, and whether it is in namespaces."""
    for path, actions in document["paths"].items():
        match = _COLLECTION.fullmatch(path.rstrip("/"))
        if not match or "post" not in actions:
            continue
        about = actions["post"]["x-kubernetes-group-version-kind"]
        version = "/".join(filter(None, (about["group"], about["version"])))
        body = next(each for each in actions["post"]["parameters"] if each["in"] == "body")
        yield (version, about["kind"]), (_short(_referred(body["schema"])), bool(match[1]))


def _referred(schema: Json) -> str:
    return str(schema["$ref"]).removeprefix("#/definitions/")


def _reached(schemas: Json, names: Iterable[str], enums: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    """The definitions that these need, compact."""
    todo, done = [*names], set[str]()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        schema = schemas[name] if name in _SPECIAL else _compact(schemas[name], enums.get(_key(name), {}))
        yield name, schema
        todo += re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema))


def _compact(schema: Json, enums: Mapping[str, list[str]]) -> Json:
    found = _node(schema)
    properties = found.get("properties", {})
    if "status" in properties:
        properties["status"] = {"type": "object"}  # the API server ignores what a manifest says there
    for key, values in enums.items():
        target = properties[key]
        target = target["items"] if target["type"] == "array" else target
        target["enum"] = values
    return found


def _node(schema: Json) -> Json:
    """One schema, strict, without what only people or programs that merge need."""
    if "$ref" in schema:
        return {"$ref": "#/$defs/" + _short(_referred(schema))}
    if schema.get("format") in _NAMED_FORMATS:
        return {"$ref": f"#/$defs/{schema['format']}"}
    found: Json = {key: schema[key] for key in ("type", "required") if key in schema}
    if schema.get("format") == "date-time":
        found["format"] = "date-time"
    if "properties" in schema:
        found["properties"] = {key: _node(each) for key, each in schema["properties"].items()}
        found["additionalProperties"] = False
    if "additionalProperties" in schema:
        found["additionalProperties"] = _node(schema["additionalProperties"])
    if "items" in schema:
        found["items"] = _node(schema["items"])
    return found


def _key(name: str) -> str:
    return "_".join(name.replace("/", ".").split(".")[-3:])


def _enums(source: str) -> dict[str, dict[str, list[str]]]:
    """The values that fields take, by group_version_Kind and field: only the generated Go has them."""
    found: dict[str, dict[str, list[str]]] = {}
    starts = [*_FUNCTION.finditer(source)]
    ends = [*(each.start() for each in starts[1:]), len(source)]
    for start, end in zip(starts, ends, strict=True):
        properties = [*_PROPERTY.finditer(source, start.end(), end)]
        for enum in _ENUM.finditer(source, start.end(), end):
            name = [each[1] for each in properties if each.start() < enum.start()][-1]
            found.setdefault(start[1], {})[name] = json.loads(f"[{enum[1]}]")
    return found


def _lifecycle() -> dict[str, Json]:
    found: dict[str, Json] = {}
    for version in _LIFECYCLES:
        for module in _LIFECYCLE_MODULES:
            for file in sorted(_module(module, version).glob("**/zz_generated.prerelease-lifecycle.go")):
                found |= _lives(file)
    return found


def _lives(file: Path) -> dict[str, Json]:
    # In kube-aggregator and apiextensions the name of the group stands in the package above.
    registers = [file.parent / "register.go", file.parents[1] / "register.go"]
    group = next(m[1] for r in registers if r.is_file() and (m := _GROUP.search(r.read_text())))
    version, text = "/".join(filter(None, (group, file.parent.name))), file.read_text()
    found: dict[str, Json] = {}
    for kind, event, minor in _EVENT.findall(text):
        found.setdefault(f"{version} {kind}", {})[event.lower()] = int(minor)
    for kind, *parts, other in _REPLACED.findall(text):
        found[f"{version} {kind}"]["replacement"] = "/".join(filter(None, parts)) + f" {other}"
    return {name: life for name, life in found.items() if not name.endswith(("List", "Options"))}


if __name__ == "__main__":
    TARGET.write_text(written(derive()))
    sys.stdout.write(f"{TARGET}: {TARGET.stat().st_size // 1024} KiB\n")
