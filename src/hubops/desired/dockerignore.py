"""Which files of a context .dockerignore keeps away from a build, by the rules of BuildKit.

The rules are those of github.com/moby/patternmatcher; tests/cluster/test_builder.py compares.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from functools import partial

from hubops.errors import RepositoryError

# ** spans directories, * and ? do not; \ takes the next character as it is.
_TOKEN = re.compile(r"\*\*/?|\*|\?|\\.|\[[^]]*\]|.")
_SPECIAL = {"*": "[^/]*", "?": "[^/]", "**": "(.*/)?", "**/": "(.*/)?"}
# Leading ** before plain text matches the end of a path, also within a name.
_ENDING = re.compile(r"\*\*([^*?\[\]\\]*)")

Matches = Callable[[str], bool]
Rule = tuple[bool, Matches]
"""Whether it ignores (else it lets through again), and what it is about."""


def parse_rules(text: str, where: str) -> list[Rule]:
    """The rules of a .dockerignore file, in its order.

    Raises:
        RepositoryError: a pattern is none.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    return [
        _rule(line.strip(), f"{where}:{number}") for number, line in enumerate(lines, 1) if _is_rule(line)
    ]


def is_ignored(path: str, rules: list[Rule]) -> bool:
    """Whether the last rule that applies to the path ignores it.

    A rule that matched a directory goes on to apply below it, but one that would have changed
    nothing at the directory is not looked at there, and so does not.
    """
    ignored = False
    above = [False] * len(rules)
    for name in _from_the_top(path):
        ignored = False
        for number, (ignores, matches) in enumerate(rules):
            above[number] = above[number] or (ignores != ignored and matches(name))
            if above[number]:
                ignored = ignores
    return ignored


def _is_rule(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _from_the_top(path: str) -> Iterator[str]:
    if parent := posixpath.dirname(path):
        yield from _from_the_top(parent)
    yield path


def _rule(line: str, where: str) -> Rule:
    pattern = line.removeprefix("!").strip()
    if not pattern:
        raise RepositoryError("a pattern is missing behind !", where=where)
    clean = posixpath.normpath(pattern)
    if len(clean) > 1:
        clean = clean.lstrip("/")
    ending = _ENDING.fullmatch(clean)
    if ending and not ending[1].startswith("/"):
        return not line.startswith("!"), partial(_ends_with, ending[1])
    try:
        regex = re.compile("".join(_translate(clean)))
    except re.error as error:
        raise RepositoryError(f"{pattern} is not a pattern", where=where, why=str(error)) from error
    return not line.startswith("!"), lambda path: regex.fullmatch(path) is not None


def _ends_with(suffix: str, path: str) -> bool:
    return path.endswith(suffix)


def _translate(pattern: str) -> Iterator[str]:
    tokens = _TOKEN.findall(pattern)
    for number, token in enumerate(tokens):
        if token.startswith("**") and number == len(tokens) - 1:
            yield ".*"
        elif token in _SPECIAL:
            yield _SPECIAL[token]
        elif token.startswith("["):
            yield token
        else:
            yield re.escape(token[-1])
