"""Rules for names that Kubernetes, registries and people all have to accept."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_RESERVED = ("default", "edge", "hubops")
_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS_LABEL_MAX = 63  # RFC 1123, and the limit of a Kubernetes namespace


def is_dns_label(name: str) -> bool:
    """Whether `name` can be a namespace, a release and a path segment at once (RFC 1123, first a letter)."""
    return len(name) <= _DNS_LABEL_MAX and _DNS_LABEL.fullmatch(name) is not None


def is_reserved(name: str) -> bool:
    """Whether a namespace of this name is Kubernetes', that of hubops' records, or that of the common address."""
    return name in _RESERVED or name.startswith("kube-")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that it may be a slip of; empty when none is near."""
    return next(iter(get_close_matches(name, sorted(known), n=1)), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known name, or all of them when none is near."""
    known = sorted(known)
    if near := nearest(name, known):
        return f"Did you mean {near}?"
    return f"Known: {', '.join(known)}." if known else "There is none yet."
