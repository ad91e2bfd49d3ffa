"""How helm keeps a revision in a Secret: JSON, gzipped, twice in base64 (type helm.sh/release.v1)."""

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from hubops.clients.kube import Json, Kube


async def list_revisions(kube: Kube, release: str, namespace: str) -> list[Json]:
    """The Secrets of a release's revisions, oldest first, without the revisions themselves, which are large."""
    path = f"/api/v1/namespaces/{namespace}/secrets"
    found, _ = await kube.list(path, labels=f"owner=helm,name={release}", metadata_only=True)
    return sorted(found, key=lambda secret: int(secret["metadata"]["labels"]["version"]))


async def read_revision(kube: Kube, revision: Json) -> Json:
    """The whole Secret of a listed revision; writing it is a conflict where somebody wrote since it was listed.

    Raises:
        ClusterError: it is gone.
    """
    metadata = revision["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
    return {**await kube.request("GET", path), "metadata": metadata}


def unpack_record(data: str) -> dict[str, Any]:
    """The revision in the field `release` of its Secret."""
    document: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(data))))
    return document


def pack_record(document: Mapping[str, Any]) -> str:
    """A revision for the field `release` of its Secret."""
    packed = base64.b64encode(gzip.compress(json.dumps(document).encode(), mtime=0))
    return base64.b64encode(packed).decode()
