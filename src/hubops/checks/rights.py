"""May we do here what a deploy does? The API server is asked by which rules; nothing is tried."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from hubops.answer import Absent
from hubops.clients.kube import Json, Kube, is_status
from hubops.errors import ClusterError, RefusedError

OWN_NAMESPACE = "hubops"
_NOT_FOUND = 404
# What helm does with each object that a chart makes: it takes out what the next revision has not.
_HELMS = ("get", "create", "patch", "delete")
_WATCHED = ("list", "watch")
# In the hub's namespace, whatever its chart makes: helm's own records, the rollout, the proof's volume.
_OF_A_DEPLOY: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "secrets"): ("get", "list", "create", "update", "patch", "delete"),
    ("", "pods"): _WATCHED,
    ("", "persistentvolumeclaims"): ("list", "delete"),
    ("apps", "deployments"): _WATCHED,
    ("apps", "statefulsets"): _WATCHED,
    ("apps", "daemonsets"): _WATCHED,
    ("apps", "replicasets"): ("list",),
}
# In namespace `hubops`: the lease, the records, the cluster's name.
_OF_HUBOPS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("coordination.k8s.io", "leases"): ("get", "create", "update"),
    ("", "secrets"): ("get", "list", "create", "patch", "delete"),
    ("", "configmaps"): ("get", "create"),
}


@dataclass(frozen=True)
class Thing:
    """A kind of object that a chart makes, and the namespace it says for it."""

    version: str
    kind: str
    namespace: str


@dataclass(frozen=True, order=True)
class Right:
    """A verb on a resource; `namespace` is "" for one that is in none."""

    namespace: str
    group: str
    resource: str
    verb: str


async def check_rights(kube: Kube, namespace: str, release: str, things: Collection[Thing]) -> None:
    """We may do all that deploying the release takes, with the things that its chart makes.

    Raises:
        RefusedError: names the missing rights.
        ClusterError, OutOfReachError: nobody can tell.
    """
    needed = {
        *_rights(namespace, _OF_A_DEPLOY),
        *_rights(OWN_NAMESPACE, _OF_HUBOPS),
        *await _of_things(kube, things),
    }
    if missing := await _find_missing(kube, needed):
        raise _refused(missing)
    # Only now: who may not list helm's records was told so.
    if await _makes_namespaces(kube, namespace, release):
        right = Right("", "", "namespaces", "create")
        if await _find_missing(kube, {right}):
            raise _refused([right])


def _rights(namespace: str, verbs: Mapping[tuple[str, str], Iterable[str]]) -> list[Right]:
    return [
        Right(namespace, group, resource, verb) for (group, resource), each in verbs.items() for verb in each
    ]


async def _of_things(kube: Kube, things: Collection[Thing]) -> list[Right]:
    """As this cluster calls them; of what it does not know a definition may come with the chart."""
    versions = sorted({thing.version for thing in things})
    known = dict(zip(versions, await asyncio.gather(*(_resources(kube, v) for v in versions)), strict=True))
    found = []
    for thing in things:
        for each in known[thing.version]:
            if each["kind"] == thing.kind and "/" not in each["name"]:
                where = thing.namespace if each["namespaced"] else ""
                group = thing.version.rpartition("/")[0]
                found += _rights(where, {(group, each["name"]): _HELMS})
    return found


async def _resources(kube: Kube, version: str) -> list[Json]:
    try:
        answer = await kube.request("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
    except ClusterError as error:
        if is_status(error, _NOT_FOUND):
            return []
        raise
    resources: list[Json] = answer["resources"]
    return resources


async def _makes_namespaces(kube: Kube, namespace: str, release: str) -> bool:
    """Whether helm makes the hub's namespace, as it does before a first revision, or we make our own."""
    records = f"/api/v1/namespaces/{namespace}/secrets"
    revisions, _ = await kube.list(records, labels=f"owner=helm,name={release}", metadata_only=True)
    return not revisions or isinstance(await kube.find(f"/api/v1/namespaces/{OWN_NAMESPACE}"), Absent)


async def _find_missing(kube: Kube, needed: Collection[Right]) -> list[Right]:
    """One question per namespace; what its rules do not permit is asked one by one, for they may be incomplete."""
    namespaces = sorted({right.namespace for right in needed} - {""})
    rules = dict(zip(namespaces, await asyncio.gather(*map(kube.rules, namespaces)), strict=True))
    open_ = sorted(r for r in needed if not any(_permits(rule, r) for rule in rules.get(r.namespace, ())))
    may = await asyncio.gather(*(kube.may(r.verb, r.resource, r.namespace, r.group) for r in open_))
    return [right for right, permitted in zip(open_, may, strict=True) if not permitted]


def _permits(rule: Mapping[str, Any], right: Right) -> bool:
    wanted = {"verbs": right.verb, "apiGroups": right.group, "resources": right.resource}
    return not rule.get("resourceNames") and all(
        {value, "*"} & set(rule.get(key) or ()) for key, value in wanted.items()
    )


def _refused(missing: Iterable[Right]) -> RefusedError:
    def place(right: Right) -> tuple[str, str]:
        name = f"{right.resource}.{right.group}".rstrip(".")
        return (f"namespace {right.namespace}" if right.namespace else "the whole cluster"), name

    lines = [
        f"{name} in {where}: {', '.join(right.verb for right in rights)}"
        for (where, name), rights in groupby(sorted(missing), place)
    ]
    return RefusedError(
        "rights are missing that a deploy needs",
        where=", ".join(sorted({place(right)[0] for right in missing})),
        why="forbidden are\n" + "\n".join(lines),
        hint="Ask the cluster's administrator for a role with them.",
    )
