"""What helm's next upgrade begins from: everything that may be in the cluster, not only what was deployed well.

Helm takes out what the last *deployed* revision has and the new one has not. What a failed revision brought
stays for ever: an environment variable, a Service. So before an upgrade that follows a failure, the failed
revision's record is made to hold all that it or those before it may have left, and becomes the one that helm
begins from, because the older one no longer counts as deployed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from hubops.clients.kube import Json, Kube
from hubops.execute.helm_record import list_revisions, pack_record, read_revision, unpack_record

_DEPLOYED, _SUPERSEDED = "deployed", "superseded"
# Of what hooks make helm takes out nothing; these two only run, and hold no data.
_RUNNING_HOOKS = {"Job", "Pod"}
# By which field Kubernetes finds an item of a list again (patchMergeKey, k8s.io/api/core/v1); other lists
# are replaced as a whole.
_MERGE_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ports": ("containerPort", "port"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}


async def rebase(kube: Kube, release: str, namespace: str) -> bool:
    """Prepare a release whose newest revision is not deployed for the next upgrade; whether that was needed.

    Written first is the newest record, then the older ones: a run killed in between is prepared again.
    """
    path = f"/api/v1/namespaces/{namespace}/secrets"
    found = await list_revisions(kube, release, namespace)
    if len(found) < 2 or _status(found[-1]) == _DEPLOYED:  # noqa: PLR2004 - one has nothing below it
        return False
    since = next((n for n in reversed(range(len(found) - 1)) if _status(found[n]) == _DEPLOYED), 0)
    found = [await read_revision(kube, secret) for secret in found[since:]]
    documents = [unpack_record(secret["data"]["release"]) for secret in found]
    manifests = [manifest for each in documents for manifest in [each["manifest"], *_hooks_left(each)]]
    newest = {**documents[-1], "manifest": unite(manifests)}
    await _write(kube, path, found[-1], newest)
    for secret, document in zip(found[:-1], documents[:-1], strict=True):
        if _status(secret) == _DEPLOYED:
            document["info"]["status"] = _SUPERSEDED
            await _write(kube, path, secret, document)
    return True


def _hooks_left(document: Mapping[str, Any]) -> list[str]:
    """What runs, perhaps for ever, of the hooks of a revision that did not come to its end."""
    if document["info"]["status"] == _DEPLOYED:
        return []
    return [hook["manifest"] for hook in document.get("hooks") or [] if hook["kind"] in _RUNNING_HOOKS]


def unite(manifests: Sequence[str]) -> str:
    """Every object of the manifests with every field that one of them gives it; later ones win."""
    objects: dict[tuple[Any, ...], Any] = {}
    for manifest in manifests:
        for item in yaml.load_all(manifest, _Loader):
            if item:
                identity = _identity(item)
                objects[identity] = _united(objects.get(identity), item)
    return "".join(f"---\n{json.dumps(item)}\n" for item in objects.values())


class _Loader(yaml.CSafeLoader):
    """Dates stay the texts they are to Kubernetes."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the class above has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def _identity(item: Mapping[str, Any]) -> tuple[Any, ...]:
    metadata = item.get("metadata") or {}
    return item.get("apiVersion"), item.get("kind"), metadata.get("namespace"), metadata.get("name")


def _united(below: Any, above: Any, field: str = "") -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {
            key: _united(below.get(key), above[key], key) if key in above else below[key]
            for key in {**below, **above}
        }
    if isinstance(below, list) and isinstance(above, list):
        key = next((k for k in _MERGE_KEYS.get(field, ()) if _all_have(k, [*below, *above])), "")
        return _united_items(below, above, key) if key else above
    return above


def _united_items(below: Iterable[Any], above: Iterable[Any], key: str) -> list[Any]:
    items: dict[Any, Any] = {}
    for item in (*below, *above):
        items[item[key]] = _united(items.get(item[key]), item)
    return list(items.values())


def _all_have(key: str, items: Iterable[Any]) -> bool:
    return all(isinstance(item, dict) and key in item for item in items)


def _status(secret: Json) -> str:
    return str(secret["metadata"]["labels"]["status"])


async def _write(kube: Kube, path: str, secret: Json, document: Mapping[str, Any]) -> None:
    metadata = secret["metadata"]
    body = {
        # The version makes it a conflict when somebody else has just written.
        "metadata": {
            "labels": {"status": document["info"]["status"]},
            "resourceVersion": metadata["resourceVersion"],
        },
        "data": {"release": pack_record(document)},
    }
    await kube.patch(f"{path}/{metadata['name']}", body)
