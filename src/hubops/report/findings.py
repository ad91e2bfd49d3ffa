"""What `hubops check` found, for programs: JSON, SARIF, and annotations of GitHub."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from hubops.desired.model import Findings, Problem
from hubops.report.annotations import format_command
from hubops.report.model import Told
from hubops.report.parts import told_lines

Json = dict[str, Any]
_PLACE = re.compile(r"(?P<file>.*?)(?::(?P<line>[0-9]+))?(?::(?P<column>[0-9]+))?")
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def format_json(findings: Findings) -> str:
    """Every problem with its place in parts; lines and columns begin with 1, null where there is none."""
    problems = [{**asdict(problem), **_place(problem)} for problem in findings.problems]
    return json.dumps({"problems": problems, "notes": findings.notes}, indent=2)


def format_sarif(findings: Findings, rules: Mapping[str, str], version: str) -> str:
    """SARIF 2.1.0, the format that code scanning takes; `rules` says of each rule by name what it is about."""
    names = [*rules]
    driver = {
        "name": "hubops",
        "version": version,
        "rules": [{"id": name, "shortDescription": {"text": about}} for name, about in rules.items()],
    }
    notes = [{"level": "note", "message": {"text": note}} for note in findings.notes]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": [_result(problem, names) for problem in findings.problems],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def format_github(findings: Findings) -> str:
    """A workflow command for each problem, which GitHub shows beside the line that it is about."""
    return "\n".join(
        format_command("error", each.where, f"hubops check: {each.rule}", told_lines(_told(each)))
        for each in findings.problems
    )


def _result(problem: Problem, names: list[str]) -> Json:
    place = _place(problem)
    location: Json = {"artifactLocation": {"uri": quote(place["file"]), "uriBaseId": "%SRCROOT%"}}
    if place["line"]:
        column = {"startColumn": place["column"]} if place["column"] else {}
        location["region"] = {"startLine": place["line"], **column}
    return {
        "ruleId": problem.rule,
        "ruleIndex": names.index(problem.rule),
        "level": "error",
        "message": {"text": "\n".join(told_lines(_told(problem)))},
        "locations": [{"physicalLocation": location}],
        "properties": {"hubs": list(problem.hubs)},
    }


def _place(problem: Problem) -> Json:
    found = _PLACE.fullmatch(problem.where)
    parts = found.groupdict() if found else {}
    numbers = {key: int(parts[key]) if parts.get(key) else None for key in ("line", "column")}
    return {"file": parts.get("file", problem.where), **numbers}


def _told(problem: Problem) -> Told:
    return Told(problem.what, problem.where, problem.why, problem.hint)
