"""What a release was given and whether it was proved, written down beside it, so that neither is done twice.

Both are labels of helm's own record of the revision: they go when the revision goes. Helm hands labels on to
the next revision, so each names the revision it is about, and one that plain helm made has none of its own.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from hubops import digest
from hubops.clients.helm import Upgrade
from hubops.clients.kube import Json, Kube

_CONTENT = "hubops.dev/content"
_PROVED = "hubops.dev/proved-at"
_DIGITS = 40  # a label has 63 characters at most


def content_of(upgrade: Upgrade, directory: Path) -> str:
    """A digest of all that helm gets: the charts and values in `directory`, and the secret values."""
    secrets = json.dumps(dict(upgrade.secret_values), sort_keys=True)
    return digest.of_parts([upgrade.release, upgrade.namespace, digest.of_tree(directory), secrets])[:_DIGITS]


async def has_content(kube: Kube, release: str, namespace: str, content: str) -> bool:
    """Whether the newest revision was deployed, by us, from just this content."""
    labels = await _labels(kube, release, namespace)
    return labels.get("status") == "deployed" and labels.get(_CONTENT) == f"{labels['version']}.{content}"


async def is_proved(kube: Kube, release: str, namespace: str) -> bool:
    """Whether people could work on the newest revision when it was tried."""
    labels = await _labels(kube, release, namespace)
    return labels.get(_PROVED, "").startswith(f"{labels.get('version')}.")


async def record_content(kube: Kube, release: str, namespace: str, content: str) -> None:
    """Label the newest revision with its content."""
    await _label(kube, release, namespace, _CONTENT, content)


async def record_proof(kube: Kube, release: str, namespace: str) -> None:
    """Label the newest revision with the time (UTC) of its proof."""
    await _label(kube, release, namespace, _PROVED, f"{datetime.now(UTC):%Y-%m-%dT%H.%M.%SZ}")


async def _labels(kube: Kube, release: str, namespace: str) -> dict[str, str]:
    newest = await _find_newest(kube, release, namespace)
    return dict(newest["metadata"]["labels"]) if newest else {}


async def _label(kube: Kube, release: str, namespace: str, label: str, value: str) -> None:
    newest = await _find_newest(kube, release, namespace)
    if newest:
        path = f"/api/v1/namespaces/{namespace}/secrets/{newest['metadata']['name']}"
        about = f"{newest['metadata']['labels']['version']}.{value}"
        await kube.patch(path, {"metadata": {"labels": {label: about}}})


async def _find_newest(kube: Kube, release: str, namespace: str) -> Json | None:
    revisions, _ = await kube.list(
        f"/api/v1/namespaces/{namespace}/secrets", labels=f"owner=helm,name={release}"
    )
    return max(revisions, key=lambda secret: int(secret["metadata"]["labels"]["version"]), default=None)
