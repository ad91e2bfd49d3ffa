"""What is in an image, in the form that other programs read: CycloneDX 1.6, as JSON.

Own code, for it is one list: the format's libraries put a random number and the time into every document, and
the same image is to have the same one.
"""

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from hubops.checks.trial_model import Package

# Kinds as package URLs call them; all others are distributions of Debian's packages.
_TYPES = {"python": "pypi", "conda": "conda", "npm": "npm"}
_PURL = re.compile(r"pkg:(?:deb/)?([^/]+)/")


def format_sbom(name: str, packages: Sequence[Package]) -> bytes:
    """The document for the image `name`; the same for the same packages."""
    image: dict[str, Any] = {"type": "container", "bom-ref": "image", "name": name}
    components = [_component(package) for package in sorted(packages)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": image},
        "components": components,
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def parse_sbom(text: bytes) -> tuple[Package, ...]:
    """The packages of a document that `format_sbom` made.

    Raises:
        ValueError: it is none.
    """
    try:
        components = json.loads(text)["components"]
        return tuple(sorted(_package(component) for component in components))
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no list of packages: {error!r}") from error


def _component(package: Package) -> dict[str, str]:
    purl = _purl(package)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
    }


def _purl(package: Package) -> str:
    """A package URL (package-url specification)."""
    kind = _TYPES.get(package.kind, f"deb/{package.kind}")
    return f"pkg:{kind}/{quote(package.name)}@{quote(package.version, safe=':')}"


def _package(component: dict[str, str]) -> Package:
    found = _PURL.match(component["purl"])
    kind = found[1] if found else ""
    kinds = {purl: kind for kind, purl in _TYPES.items()}
    return Package(kinds.get(kind, kind), component["name"], component["version"])
