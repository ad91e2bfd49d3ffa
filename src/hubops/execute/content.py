"""What a release was given, written down beside it, so that it is not given the same again (docs/adr/0006).

A label of helm's own record of the revision: it goes when the revision goes. Helm hands labels on to the
next revision, so it names the revision it is about, and one that plain helm made has none of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hubops import digest
from hubops.clients.helm import Upgrade
from hubops.clients.kube import Json, Kube
from hubops.execute.helm_record import list_revisions

_CONTENT = "hubops.dev/content"
_DIGITS = 40  # a label has 63 characters at most


@dataclass(frozen=True)
class Deployed:
    """The newest revision: whether hubops made it and it is deployed, and from which content."""

    ours: bool
    content: str


def content_of(upgrade: Upgrade, chart_key: str) -> str:
    """A digest of all that helm gets: the chart (by its key), the values, people's names, secret values."""
    values = [file.read_bytes() for file in upgrade.values]
    secrets = json.dumps(dict(upgrade.secret_values), sort_keys=True)
    return digest.of_parts([upgrade.release, upgrade.namespace, chart_key, *values, secrets])[:_DIGITS]


def secrets_digest(values: Mapping[str, object]) -> str:
    """Tells whether secrets changed; it cannot be undone, for tokens of 32 random bytes are among them."""
    return digest.of_parts([json.dumps(values, sort_keys=True)])[:_DIGITS]


async def read_deployed(kube: Kube, release: str, namespace: str) -> Deployed:
    """What the newest revision was made from."""
    newest = await _find_newest(kube, release, namespace)
    labels = newest["metadata"]["labels"] if newest else {}
    version, _, content = labels.get(_CONTENT, "").partition(".")
    ours = labels.get("status") == "deployed" and bool(version) and version == labels["version"]
    return Deployed(ours, content if ours else "")


async def record_content(kube: Kube, release: str, namespace: str, content: str) -> None:
    """Label the newest revision with its content."""
    newest = await _find_newest(kube, release, namespace)
    if newest:
        path = f"/api/v1/namespaces/{namespace}/secrets/{newest['metadata']['name']}"
        about = f"{newest['metadata']['labels']['version']}.{content}"
        await kube.patch(path, {"metadata": {"labels": {_CONTENT: about}}})


async def forget_content(kube: Kube, release: str, namespace: str) -> None:
    """Let the newest revision be as one that plain helm made: the next deploy brings it and proves it anew."""
    newest = await _find_newest(kube, release, namespace)
    if newest and _CONTENT in newest["metadata"]["labels"]:
        path = f"/api/v1/namespaces/{namespace}/secrets/{newest['metadata']['name']}"
        await kube.patch(path, {"metadata": {"labels": {_CONTENT: None}}})


async def _find_newest(kube: Kube, release: str, namespace: str) -> Json | None:
    return next(reversed(await list_revisions(kube, release, namespace)), None)
