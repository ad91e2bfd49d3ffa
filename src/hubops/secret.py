"""Secrets as a type, and the one redactor over everything that is printed."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

MASK = "***"
_SHORTEST = 6  # masking shorter values would blot out ordinary words


class Secret:
    """A value that shows itself only through `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Redactor:
    """Masks every known secret in text, in each form that programs print it (see `_forms`).

    Of a text with several lines each line is a secret, however it is indented. What is shorter than six
    characters is not masked.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._forms: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[Secret]) -> None:
        self._forms |= {form for secret in secrets for form in _forms(secret.reveal())}

    def mask(self, text: str) -> str:
        spans = sorted(span for form in self._forms if form in text for span in _spans(form, text))
        masked: list[str] = []
        end = 0
        # Secrets that overlap are one; a part of one that stood on would help to guess it.
        for start, stop in spans:
            if start > end or not masked:
                masked += [text[end:start], MASK]
            end = max(end, stop)
        return "".join(masked) + text[end:]


def _spans(form: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _forms(value: str) -> Iterator[str]:
    values = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    for item in (v for v in values if len(v) >= _SHORTEST):
        yield item
        yield from _quoted_forms(item)
        yield from _url_forms(item)
        yield from _base64_forms(item.encode(errors="surrogatepass"))


def _quoted_forms(text: str) -> Iterator[str]:
    """As JSON, Go, Python, YAML in single quotes and shells write it between quotes."""
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        # Go's JSON is safe to put into HTML.
        yield re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", escaped)
    yield repr(text)[1:-1]
    yield text.replace("'", "''")
    yield text.replace("'", "'\"'\"'")


def _url_forms(text: str) -> Iterator[str]:
    """Percent-encoded: which characters are not, and the case of the digits, differ."""
    data = text.encode(errors="surrogatepass")
    for safe in ("", "/", "!'()*"):
        quoted = quote(data, safe=safe)
        for form in (quoted, quoted.replace("%20", "+")):
            yield form
            yield re.sub("%..", lambda found: found[0].lower(), form)


def _base64_forms(data: bytes) -> Iterator[str]:
    """The stable middle of the base64 text at each of the three offsets it can have inside other data."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            text = encode(b"\0" * offset + data).decode().rstrip("=")
            yield text[(offset * 8 + 5) // 6 : len(text) - 1]
