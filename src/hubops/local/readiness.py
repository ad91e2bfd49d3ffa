"""Whether a local cluster can be used, and whether what it says is of after its node's start.

A node that was stopped leaves in etcd what was true before: pods called ready, Services that lead to
them, and leases of controllers that are gone. For some 15 s (their lease duration) no controller mends
it, and a rollout counts as done whose pods only start.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hubops.clients import process
from hubops.deadline import Deadline
from hubops.local.docker import Docker
from hubops.local.instance import Instance

# kubectl's client has the same, but needs packages, and the list of ./start comes before those.
Json = dict[str, Any]
_READY_LIMIT_S = 180
_SETTLED_LIMIT_S = 60
_CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@dataclass(frozen=True)
class Readiness:
    """What is asked of one instance's cluster."""

    instance: Instance
    docker: Docker
    kubectl: Path

    async def is_usable(self) -> bool:
        """Whether the API server answers, the node accepts pods, and pods have the account they run as."""
        nodes = await self._get("/api/v1/nodes")
        account = await self._get("/api/v1/namespaces/default/serviceaccounts/default")
        return bool(account) and any(map(_is_ready, nodes.get("items", ())))

    async def is_settled(self) -> bool:
        """Whether controllers and pods are of after the node's start.

        A lease of before it is deleted: its holder ended with the node, and nobody waits for it then.
        """
        since = _moment(await self.docker("inspect", "-f", "{{.State.StartedAt}}", self.instance.node))
        leases = await asyncio.gather(*(self._get(f"{_LEASES}/{name}") for name in _CONTROLLERS))
        if not all(leases):
            return False
        if stale := [lease for lease in leases if _moment(lease["spec"]["renewTime"]) < since]:
            for lease in stale:
                await self._kubectl("delete", "--raw", f"{_LEASES}/{lease['metadata']['name']}")
            return False
        paths = ("/api/v1/pods", "/apis/discovery.k8s.io/v1/endpointslices")
        pods, slices = await asyncio.gather(*map(self._get, paths))
        return is_of_after(pods.get("items", []), slices.get("items", []), since)

    async def came(self) -> bool:
        """Wait until the cluster is usable, and then for a while until it is settled. False: not usable."""
        usable = await _becomes_true(self.is_usable, _READY_LIMIT_S)
        if usable:
            await _becomes_true(self.is_settled, _SETTLED_LIMIT_S)
        return usable

    async def _get(self, path: str) -> Json:
        """What is there, empty where nothing answers."""
        found = await self._kubectl("get", "--raw", path)
        return json.loads(found.stdout) if found.code == 0 else {}

    async def _kubectl(self, *words: str) -> process.Finished:
        # A raw request does not write ~/.kube/cache.
        access = (f"--kubeconfig={self.instance.kubeconfig}", "--request-timeout=5s")
        return await process.attempt([self.kubectl, *access, *words])


async def _becomes_true(question: Callable[[], Awaitable[bool]], limit_s: float) -> bool:
    deadline = Deadline(limit_s)
    while not await question():
        if deadline.passed:
            return False
        await asyncio.sleep(0.5)
    return True


def is_of_after(pods: list[Json], slices: list[Json], since: datetime) -> bool:
    """Whether no pod is called ready whose containers ran before `since`, and Services lead to ready pods only."""
    ready = [pod for pod in pods if _is_ready(pod)]
    addresses = {(pod["metadata"]["name"], pod["status"].get("podIP", "")) for pod in ready}
    stale = any(_moment(at) < since for pod in ready for at in _starts(pod))
    return not stale and _led_to(slices) <= addresses


def _led_to(slices: list[Json]) -> set[tuple[str, str]]:
    """The pods that Services lead to, each as (name, address)."""
    endpoints = [endpoint for piece in slices for endpoint in piece.get("endpoints") or ()]
    return {
        (endpoint["targetRef"]["name"], endpoint["addresses"][0])
        for endpoint in endpoints
        if endpoint["conditions"].get("serving") and endpoint.get("targetRef", {}).get("kind") == "Pod"
    }


def _is_ready(item: Json) -> bool:
    """Of a pod or a node."""
    conditions = item["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _starts(pod: Json) -> list[str]:
    states = [status["state"] for status in pod["status"].get("containerStatuses", ())]
    return [state["running"]["startedAt"] for state in states if "running" in state]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.strip())
