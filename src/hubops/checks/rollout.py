"""Are the objects of a release what they should be? Watched to the end, and judged early when they cannot be."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubops.checks.model import State, Verdict
from hubops.clients.kube import Kube
from hubops.deadline import Deadline
from hubops.errors import HubopsError, ReleaseError
from hubops.events import CommandStarted, Emit
from hubops.secret import Redactor

Json = Mapping[str, Any]
_KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
_LOG_LINES = 15
_EVENTS = 6
# Reasons of a waiting container that no waiting mends. An image pull is tried again and again, so it counts
# only once kubelet backs off; a crash counts from the second restart on.
_HOPELESS = {"ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"}
_RESTARTS = 2


def judge_workload(workload: Json) -> Verdict:
    """Where a Deployment, StatefulSet or DaemonSet stands, as `kubectl rollout status` sees it."""
    spec, status = workload["spec"], workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return Verdict(State.WAITING, "its change is not yet seen by its controller")
    wanted, updated, ready = _counts(workload["kind"], spec, status)
    if updated < wanted or ready < wanted:
        return Verdict(State.WAITING, f"{min(updated, ready)} of {wanted} pods are updated and ready")
    if status.get("replicas", wanted) > wanted:
        return Verdict(State.WAITING, "old pods are still ending")
    return Verdict(State.DONE, f"{wanted} of {wanted} pods are ready")


def judge_pod(pod: Json) -> Verdict:
    """Whether a pod can still become ready by itself. Not scheduled, pulling and starting are not failures."""
    statuses = pod.get("status", {})
    for status in (*statuses.get("initContainerStatuses", ()), *statuses.get("containerStatuses", ())):
        waiting = status.get("state", {}).get("waiting", {})
        reason, restarts = waiting.get("reason", ""), status.get("restartCount", 0)
        if reason in _HOPELESS or (reason == "CrashLoopBackOff" and restarts >= _RESTARTS):
            said = waiting.get("message", "")
            return Verdict(State.FAILED, f"container {status['name']}: {reason}: {said}".rstrip(": "))
    return Verdict(State.WAITING, statuses.get("phase", "Pending"))


def _counts(kind: str, spec: Json, status: Json) -> tuple[int, int, int]:
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return wanted, status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
    return spec.get("replicas", 1), status.get("updatedReplicas", 0), status.get("readyReplicas", 0)


async def wait_rolled_out(kube: Kube, namespace: str, limit_s: float, emit: Emit, redactor: Redactor) -> None:
    """Watch every Deployment, StatefulSet and DaemonSet of the namespace to its end.

    Raises:
        ReleaseError: one of them is not ready in time.
    """
    deadline = Deadline(limit_s)
    for kind, plural in _KINDS.items():
        path = f"/apis/apps/v1/namespaces/{namespace}/{plural}"
        items, _ = await kube.list(path)
        for item in items:
            name = item["metadata"]["name"]
            command = f"kubectl rollout status --namespace {namespace} --watch {kind.lower()}.apps/{name}"
            emit(CommandStarted(command))
            # Items of a list do not bear their kind.
            await _wait_one(kube, path, {**item, "kind": kind}, deadline, redactor)


async def _wait_one(kube: Kube, path: str, workload: Json, deadline: Deadline, redactor: Redactor) -> None:
    verdict, name = judge_workload(workload), workload["metadata"]["name"]
    if verdict.state is State.DONE:
        return
    try:
        async with asyncio.timeout(deadline.left_s):
            async for _, item in kube.watch(path):
                verdict = judge_workload({**item, "kind": workload["kind"]})
                if item["metadata"]["name"] == name and verdict.state is State.DONE:
                    return
    except TimeoutError as error:
        namespace = workload["metadata"]["namespace"]
        why = await explain(kube, namespace, redactor)
        where = f"{workload['kind'].lower()} {namespace}/{name}"
        raise ReleaseError(
            f"{name} was not ready in time: {verdict.message}", where=where, why=why
        ) from error


async def find_pods(kube: Kube, namespace: str) -> set[str]:
    """The uids of the pods that are there."""
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods")
    return {pod["metadata"]["uid"] for pod in pods}


async def refuse_hopeless(kube: Kube, namespace: str, known: set[str], redactor: Redactor) -> None:
    """Watch the namespace's pods, and return never: only a pod of the release that cannot start ends it.

    Pods `known` from before, by uid, and user servers do not count.

    Raises:
        ReleaseError: with the events and the last log lines of that pod.
    """
    async for _, pod in kube.watch(
        f"/api/v1/namespaces/{namespace}/pods", labels="component!=singleuser-server"
    ):
        verdict = judge_pod(pod)
        if verdict.state is State.FAILED and pod["metadata"]["uid"] not in known:
            name = pod["metadata"]["name"]
            why = await _explain_pod(kube, namespace, pod, redactor)
            raise ReleaseError(
                f"{name} cannot start: {redactor.mask(verdict.message)}",
                where=f"pod {namespace}/{name}",
                why=why,
            )


async def explain(kube: Kube, namespace: str, redactor: Redactor) -> str:
    """What the pods of a namespace that are not ready say: their events and last log lines, masked."""
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods")
    parts = [await _explain_pod(kube, namespace, pod, redactor) for pod in pods if not _is_ready(pod)]
    return "\n".join(parts)


async def _explain_pod(kube: Kube, namespace: str, pod: Json, redactor: Redactor) -> str:
    name = pod["metadata"]["name"]
    lines = [f"pod {name}:", *await _or_reason(lambda: _events(kube, namespace, name))]
    for container in pod["spec"]["containers"]:
        lines += await _or_reason(lambda container=container: _log(kube, namespace, name, container["name"]))  # type: ignore[misc]
    return redactor.mask("\n".join(lines))


async def _events(kube: Kube, namespace: str, pod: str) -> list[str]:
    path = f"/api/v1/namespaces/{namespace}/events"
    items, _ = await kube.list(path, fields=f"involvedObject.name={pod},type=Warning")
    return [f"  {item['reason']}: {item.get('message', '')}" for item in items[-_EVENTS:]]


async def _log(kube: Kube, namespace: str, pod: str, container: str) -> list[str]:
    text = await kube.logs(namespace, pod, container, lines=_LOG_LINES)
    return [f"  {container} | {line}" for line in text.splitlines()]


async def _or_reason(ask: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """The answer, or why there is none: an explanation must not fail over a part of it."""
    try:
        return await ask()
    except HubopsError as error:
        return [f"  ({error.why or error.what})"]


def _is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    finished = pod.get("status", {}).get("phase") == "Succeeded"
    return finished or any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
