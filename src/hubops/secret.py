"""Secrets as a type, and the one redactor over everything that is printed."""

import base64
import json
from collections.abc import Iterable
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
    """Masks every known secret in text: raw, base64, URL-quoted, JSON-escaped, and line by line."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._forms: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[Secret]) -> None:
        forms = {form for secret in secrets for form in _forms(secret.reveal())}
        # Longest first, so that a secret which contains another is masked whole.
        self._forms = sorted({*self._forms, *forms}, key=len, reverse=True)

    def mask(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def _forms(value: str) -> Iterable[str]:
    values = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    for item in (v for v in values if len(v) >= _SHORTEST):
        yield item
        yield quote(item, safe="")
        yield json.dumps(item)[1:-1]
        yield from _base64_forms(item.encode())


def _base64_forms(data: bytes) -> Iterable[str]:
    """The stable middle of the base64 text at each of the three offsets it can have inside other data."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            text = encode(b"\0" * offset + data).decode().rstrip("=")
            yield text[(offset * 8 + 5) // 6 : len(text) - 1]
