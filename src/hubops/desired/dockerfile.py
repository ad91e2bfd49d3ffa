"""A Dockerfile as a list of instructions, each part of which has its place."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

# The word of what stands as a comment at the top: the image of the program that BuildKit lets read the rest.
# Above it may only be what makes the file a script, and other lines of that form.
FRONTEND = "# syntax"
_FRONTEND = re.compile(
    r"(?:#!.*\n)?(?:#[ \t]*\w+[ \t]*=.*\n)*?#[ \t]*syntax[ \t]*=[ \t]*(\S+)", re.IGNORECASE
)
_BEGIN = re.compile(r"\s*([A-Za-z]+)(?:\s+|$)")
_HEREDOC = re.compile(r"<<-?(['\"]?)(\w+)\1")
# What a shell takes as it is: between quotes, behind a backslash (also a line's end).
_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})")


@dataclass(frozen=True)
class Instruction:
    """One instruction: `text` is all behind its word, over several lines; comments within are blanks that go on."""

    word: str
    text: str
    line: int
    column: int

    def place(self, offset: int = 0) -> str:
        """line:column of a character of `text`."""
        before = self.text[:offset]
        newline = before.rfind("\n")
        column = self.column + offset if newline < 0 else offset - newline
        return f"{self.line + before.count(chr(10))}:{column}"

    def unquoted(self) -> str:
        """`text` with all that is quoted or escaped as underscores, so that every character keeps its place."""
        return _QUOTED.sub(lambda found: "_" * len(found[0]), self.text)


def parse_dockerfile(text: str) -> list[Instruction]:
    """The instructions in their order, the frontend first where one is named; what is none is left out."""
    text = text.removeprefix("\ufeff")
    return [*_frontend(text), *_instructions(text.splitlines())]


def with_arguments(text: str, defaults: dict[str, str]) -> str:
    """`text` with build arguments replaced by their defaults; those without one stay."""
    return _VARIABLE.sub(lambda found: defaults.get(found[1] or found[2], found[3] or found[0]), text)


def may_become(text: str, name: str, variables: Collection[str]) -> bool:
    """Whether `text` is `name` once these variables, and no others, have some value."""
    parts = _VARIABLE.split(text)  # between two texts there are the three groups
    if not {*filter(None, (*parts[1::4], *parts[2::4]))} <= {*variables}:
        return False
    return re.fullmatch(".*".join(map(re.escape, parts[::4])), name, re.IGNORECASE) is not None


def _frontend(text: str) -> Iterator[Instruction]:
    if found := _FRONTEND.match(text):
        before = text[: found.start(1)]
        yield Instruction(FRONTEND, found[1], before.count("\n") + 1, len(before) - before.rfind("\n"))


def _instructions(lines: list[str]) -> Iterator[Instruction]:
    number = 0
    while number < len(lines):
        begin = _BEGIN.match(lines[number])
        if not begin or lines[number].lstrip().startswith("#"):
            number += 1
            continue
        length = _length(lines, number)
        inner = [
            f"{' ' * (len(line) - 1)}\\" if _is_blank(line) else line
            for line in lines[number + 1 : number + length]
        ]
        text = "\n".join([lines[number][begin.end() :], *inner])
        yield Instruction(begin[1].upper(), text, number + 1, begin.end() + 1)
        number += length


def _length(lines: list[str], first: int) -> int:
    """How many lines an instruction has: to the one that does not go on, and the here-documents behind it."""
    end = first
    while end + 1 < len(lines) and _goes_on(lines[end], is_first=end == first):
        end += 1
    for _, word in _HEREDOC.findall("\n".join(lines[first : end + 1])):
        ends = (number for number in range(end + 1, len(lines)) if lines[number].strip() == word)
        end = next(ends, end)
    return end - first + 1


def _goes_on(line: str, *, is_first: bool) -> bool:
    """Comments and empty lines within an instruction do not end it."""
    return line.rstrip().endswith("\\") or (_is_blank(line) and not is_first)


def _is_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")
