"""How helm keeps a revision in a Secret: JSON, gzipped, twice in base64 (type helm.sh/release.v1)."""

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any


def unpack_record(data: str) -> dict[str, Any]:
    """The revision in the field `release` of its Secret."""
    document: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(data))))
    return document


def pack_record(document: Mapping[str, Any]) -> str:
    """A revision for the field `release` of its Secret."""
    packed = base64.b64encode(gzip.compress(json.dumps(document).encode(), mtime=0))
    return base64.b64encode(packed).decode()
