"""What a shell command fetches from an address whose content changes."""

import re
from collections.abc import Iterator

_MOVING = r"(?:master|main|develop|latest|HEAD)"
URL = re.compile(r"https?://[^\s\"'\\)<>]+")
_MOVING_URL = re.compile(rf"/{_MOVING}(?:/|\.(?:zip|tar)|$)")
_GIT_URL = re.compile(r"git\+\w+://[^\s\"'\\)<>]+")
_LOGIN = re.compile(r"//[^/@]*@")
_GIT_REF = re.compile(rf"[^/]@(?!{_MOVING}(?:#|$))[\w./-]+(?:#.*)?$")
_CLONE = re.compile(r"\bgit\s+clone\b[^&|;\n]*")
_REMOTE = re.compile(r"\w+://[^\s\"'\\)<>]+|[\w.-]+@[\w.-]+:[^\s\"'\\)<>]+")
# A file of a branch: what stands in the place of a commit has no form of one, nor of a version.
_RAW = re.compile(r"//raw\.githubusercontent\.com/[^/]+/[^/]+/(?!refs/tags/|[0-9a-f]{7,40}/|v?\d[\w.-]*/)")
# A script that a shell runs unseen; only a version in its address says that it stays.
_PIPED = re.compile(
    r"\b(?:curl|wget)\b[^|;&\n]*\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:/\S*/)?(?:ba|da|z)?sh\b"
    r"|\b(?:ba|da|z)?sh\b[^|;&\n]*?[<$]\(\s*(?:curl|wget)\b[^)]*"
)
_VERSION = re.compile(r"\d\.\d|/[0-9a-f]{7,40}/")
_CHOSEN = re.compile(r"(?:-b|--branch)[ =]|\bgit\b[^&|;\n]*\b(?:checkout|reset|switch)\b")


def find_moving(text: str) -> Iterator[tuple[int, str]]:
    """Offset and text of each address; one may come twice."""
    text = text.replace("\\\n", "  ")  # a line that goes on; every character keeps its place
    git = [found.span() for found in _GIT_URL.finditer(text)]
    for found in _GIT_URL.finditer(text):
        if not _GIT_REF.search(_LOGIN.sub("//", found[0])):
            yield found.start(), found[0]
    for found in URL.finditer(text):
        is_moving = _MOVING_URL.search(found[0]) or _RAW.search(found[0])
        if is_moving and not any(begin < found.start() < end for begin, end in git):
            yield found.start(), found[0]
    for found in _CLONE.finditer(text):
        if not _CHOSEN.search(text, found.start()) and (url := _REMOTE.search(found[0])):
            yield found.start() + url.start(), url[0]
    for found in _PIPED.finditer(text):
        for url in URL.finditer(found[0]):
            if not _VERSION.search(url[0]):
                yield found.start() + url.start(), url[0]
