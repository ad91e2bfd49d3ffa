"""Foreign text made fit to print: names, notes and what programs said. A fork's author may have chosen it."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import accumulate

MOST = 4000  # characters of one text in a report; the whole of it is in the log

# Colours and other CSI sequences; window titles and other OSC sequences (ECMA-48, sections 5.4 and 5.6).
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)")
# Unicode's Default_Ignorable_Code_Point where it is of no category below: comparing by culture, as .NET does
# unless told otherwise, would find "::" with one inside. And the two that XML 1.0 has no place for.
_IGNORED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\ufffe\uffff"
    "\U000e0000-\U000e0fff]"
)
_INVISIBLE = {"Cc", "Cf", "Cs"}  # control, format (they turn text around or hide it), surrogate


def clean(text: str) -> str:
    """`text` without terminal sequences, tabs, and characters that do not show; line ends are line feeds."""
    lines = _IGNORED.sub("", _TERMINAL.sub("", text)).splitlines()
    return "\n".join(_visible(line.expandtabs()).rstrip() for line in lines).strip("\n")


def one_line(text: str, most: int) -> str:
    """`text` cleaned, on one line without spaces at its ends, cut to `most` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else f"{line[: most - 3].rstrip()}..."


def limited(text: str, most: int = MOST) -> str:
    """`text` in at most `most` characters (400 or more), and how much is missing.

    Whole lines are left out, in the middle: what failed stands at the start, why at the end.
    """
    if len(text) <= most:
        return text
    lines = [_shortened(line, most // 8) for line in text.split("\n")]
    head = _fitting(lines, most // 4)
    tail = _fitting(reversed(lines[len(head) :]), most // 2)[::-1]
    left = len(lines) - len(head) - len(tail)
    return "\n".join([*head, *([f"... {left} lines left out ..."] if left else []), *tail])


def inert(line: str) -> str:
    """`line` such that a CI log does not take it for a command.

    GitHub's runner obeys "::" at the start of a line, behind any spaces, and "##[" anywhere
    (actions/runner, ActionCommand.cs: TryParseV2 and TryParse).
    """
    return re.sub(r"^(\s*):(?=:)", r"\1: ", line).replace("##[", "## [")


def _visible(line: str) -> str:
    if line.isprintable():  # nearly always, and much faster
        return line
    return "".join(char for char in line if unicodedata.category(char) not in _INVISIBLE)


def _shortened(line: str, most: int) -> str:
    return line if len(line) <= most else f"{line[:most]}... {len(line) - most} characters left out"


def _fitting(lines: Iterable[str], room: int) -> list[str]:
    """The first of `lines`, as many as `room` characters hold."""
    lines = list(lines)
    ends = accumulate(len(line) + 1 for line in lines)
    return lines[: sum(end <= room for end in ends)]
