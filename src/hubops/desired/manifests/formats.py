"""Texts that the API server reads further than OpenAPI says: quantities, base64, labels, names."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

# The API server takes a unit alone too, for nothing of it; who writes that has lost the amount.
_QUANTITY = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?")
_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_LONGEST_LABEL = 63
_LONGEST_SUBDOMAIN = 253


def _matching(pattern: str, longest: int) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: len(text) <= longest and compiled.fullmatch(text) is not None


_is_label = _matching(_LABEL, _LONGEST_LABEL)
_is_subdomain = _matching(_SUBDOMAIN, _LONGEST_SUBDOMAIN)


def _is_label_key(text: str) -> bool:
    """A label's name, behind the domain of who made it up and a slash, or alone."""
    domain, slash, name = text.rpartition("/")
    return _is_label(name) and (not slash or _is_subdomain(domain))


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


CHECKS: dict[str, Callable[[str], bool]] = {
    "quantity": lambda text: _QUANTITY.fullmatch(text.strip()) is not None,
    "byte": _is_base64,
    "label": lambda text: not text or _is_label(text),
    "label-key": _is_label_key,
    "annotation-key": lambda text: _is_label_key(text.lower()),
    "dns-label": _matching(_DNS_LABEL, _LONGEST_LABEL),
    "dns-label-from-a-letter": _matching(r"[a-z]([-a-z0-9]*[a-z0-9])?", _LONGEST_LABEL),
    "subdomain": _is_subdomain,
    "path-segment": lambda text: text not in {".", ".."} and not {*"/%"} & {*text},
}
WORDS = {
    "quantity": "a quantity such as 500m, 2G or 1Gi",
    "byte": "base64",
    "label": "a label: letters, digits, and . _ - between them, 63 at the most",
    "label-key": "the key of a label: letters, digits, and . _ - between them",
    "annotation-key": "the key of an annotation: letters, digits, and . _ - between them",
    "dns-label": "lower-case letters, digits, and - between them, 63 at the most",
    "dns-label-from-a-letter": "lower-case letters, digits, and - between them, first a letter, 63 at the most",
    "subdomain": "lower-case letters, digits, and - or . between them",
    "path-segment": "a text without / and %",
}


def in_form(name: str) -> dict[str, Any]:
    """The schema of a text in a form; the description is for messages."""
    return {"type": "string", "format": name, "description": WORDS[name]}
