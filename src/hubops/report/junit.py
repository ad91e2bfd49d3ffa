"""The end of a run as JUnit XML, which GitLab, Jenkins and others show as tests."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from hubops.report.model import Outcome, Result
from hubops.report.parts import body_lines, note
from hubops.report.text import one_line

_TAGS = {
    Result.FAILED: "failure",
    Result.ROLLED_BACK: "failure",
    Result.REFUSED: "failure",
    Result.UNKNOWN: "error",
    Result.HELD: "skipped",
    Result.NOT_PROVED: "skipped",
    Result.SKIPPED: "skipped",
}
_NAME = 200  # characters
# Ours, since ElementTree's own would name the encoding of the locale.
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def format_junit(outcomes: Sequence[Outcome]) -> str:
    """One suite with a case for each outcome, to be written as UTF-8."""
    tags = [_TAGS.get(outcome.result) for outcome in outcomes]
    suite = ET.Element(
        "testsuite",
        name="hubops",
        tests=str(len(outcomes)),
        failures=str(tags.count("failure")),
        errors=str(tags.count("error")),
        skipped=str(tags.count("skipped")),
        time=f"{sum(outcome.took_s for outcome in outcomes):.3f}",
    )
    suite.extend(_case(outcome) for outcome in outcomes)
    ET.indent(suite)
    return f"{_DECLARATION}{ET.tostring(suite, encoding='unicode')}\n"


def _case(outcome: Outcome) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=one_line(outcome.kind, _NAME),
        name=one_line(outcome.name, _NAME),
        time=f"{outcome.took_s:.3f}",
    )
    tag = _TAGS.get(outcome.result)
    if tag:
        message = ": ".join(text for text in (outcome.result.value, note(outcome)) if text)
        # GitLab shows the text and not the message (gitlab-foss issue 53668), Jenkins both.
        ET.SubElement(case, tag, message=message).text = "\n".join(body_lines(outcome)) or message
    return case
