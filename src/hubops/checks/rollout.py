"""Are the objects of a release what they should be? Watched to the end, and judged early when they cannot be."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from hubops.checks import nodes
from hubops.checks.judge import is_failing, is_ready, judge_pod, judge_workload
from hubops.checks.model import State, Verdict
from hubops.clients.kube import Kube
from hubops.deadline import Deadline
from hubops.errors import HubopsError, ReleaseError
from hubops.events import CommandStarted, Emit
from hubops.secret import Redactor

Json = Mapping[str, Any]
_KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
# A person's server is not of the release, and what it says is nobody's business.
_OURS = "component!=singleuser-server"
_LOG_LINES = 15
_EVENTS = 6


async def wait_rolled_out(kube: Kube, namespace: str, limit_s: float, emit: Emit, redactor: Redactor) -> None:
    """Watch every Deployment, StatefulSet and DaemonSet of the namespace to its end.

    Raises:
        ReleaseError: one of them is not ready in time.
        OutOfReachError: one of them is not ready in time, only because no node takes its pods.
    """
    deadline = Deadline(limit_s)
    paths = {kind: f"/apis/apps/v1/namespaces/{namespace}/{plural}" for kind, plural in _KINDS.items()}
    found = await asyncio.gather(*(kube.list(path) for path in paths.values()))
    for (kind, path), (items, _) in zip(paths.items(), found, strict=True):
        for item in items:
            name = item["metadata"]["name"]
            command = f"kubectl rollout status --namespace {namespace} --watch {kind.lower()}.apps/{name}"
            emit(CommandStarted(command))
            # Items of a list do not bear their kind.
            await _wait_one(kube, path, {**item, "kind": kind}, deadline, redactor)


async def _wait_one(kube: Kube, path: str, workload: Json, deadline: Deadline, redactor: Redactor) -> None:
    verdict, uid = judge_workload(workload), workload["metadata"]["uid"]
    if verdict.state is State.DONE:
        return
    try:
        async with asyncio.timeout(deadline.left_s):
            async for change, item in kube.watch(path):
                if item["metadata"]["uid"] != uid:
                    continue
                verdict = judge_workload({**item, "kind": workload["kind"]})
                if verdict.state is State.DONE or change == "DELETED":
                    return
    except TimeoutError as error:
        raise await _late(kube, workload, verdict, redactor) from error


async def _late(kube: Kube, workload: Json, verdict: Verdict, redactor: Redactor) -> HubopsError:
    name, namespace = workload["metadata"]["name"], workload["metadata"]["namespace"]
    what = f"{name} was not ready in time: {verdict.message}"
    where = f"{workload['kind'].lower()} {namespace}/{name}"
    selected = ",".join(f"{k}={v}" for k, v in workload["spec"]["selector"].get("matchLabels", {}).items())
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods", labels=selected)
    if lack := nodes.find_lack(pods):
        return nodes.no_node(what, where=where, why=redactor.mask(lack))
    return ReleaseError(what, where=where, why=await explain(kube, namespace, redactor))


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
    path = f"/api/v1/namespaces/{namespace}/pods"
    async for change, pod in kube.watch(path, labels=_OURS):
        verdict = judge_pod(pod)
        if change == "DELETED" or pod["metadata"]["uid"] in known:
            continue
        if verdict.state is State.FAILED:
            raise await cannot_start(kube, pod, redactor)


async def find_failing(kube: Kube, namespace: str, known: set[str]) -> dict[str, Json]:
    """Pods of the release that failed again and again, though not yet for good; by what a message calls them."""
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods", labels=_OURS)
    return {
        f"pod {namespace}/{pod['metadata']['name']}": pod
        for pod in pods
        if pod["metadata"]["uid"] not in known and is_failing(pod)
    }


async def cannot_start(kube: Kube, pod: Json, redactor: Redactor) -> ReleaseError:
    """The error that tells why a pod does not start, with its events and last log lines."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    return ReleaseError(
        f"{name} cannot start: {redactor.mask(judge_pod(pod, patient=False).message)}",
        where=f"pod {namespace}/{name}",
        why=await _explain_pod(kube, namespace, pod, redactor),
    )


async def refuse_no_node(kube: Kube, namespace: str, failure: ReleaseError, redactor: Redactor) -> None:
    """Tell a release that only waited for a node from one that failed.

    Raises:
        OutOfReachError: helm waited in vain, and nothing but nodes is missing.
    """
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods", labels=_OURS)
    if nodes.is_late(failure) and (lack := nodes.find_lack(pods)):
        raise nodes.no_node(failure.what, where=failure.where, why=redactor.mask(lack)) from failure


async def explain(kube: Kube, namespace: str, redactor: Redactor) -> str:
    """What pods that are not ready say (events, last log lines; masked), and which Jobs do not end."""
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods", labels=_OURS)
    parts = [await _explain_pod(kube, namespace, pod, redactor) for pod in pods if not is_ready(pod)]
    return "\n".join([*parts, *await _or_reason(lambda: _unfinished_jobs(kube, namespace))])


async def _unfinished_jobs(kube: Kube, namespace: str) -> list[str]:
    """Hooks are Jobs; one that runs and runs has pods that look well."""
    jobs, _ = await kube.list(f"/apis/batch/v1/namespaces/{namespace}/jobs")
    running = [job for job in jobs if job.get("status", {}).get("active")]
    return [
        f"job {job['metadata']['name']} runs since {job['status'].get('startTime')} and has not ended"
        for job in running
    ]


async def _explain_pod(kube: Kube, namespace: str, pod: Json, redactor: Redactor) -> str:
    name = pod["metadata"]["name"]
    lines = [f"pod {name}:", *await _or_reason(lambda: _events(kube, namespace, name))]
    lines.append(await tail(kube, namespace, pod))
    return redactor.mask("\n".join(line for line in lines if line))


async def tail(kube: Kube, namespace: str, pod: Json) -> str:
    """The last log lines of each container of a pod; not masked."""
    lines = []
    for container in pod["spec"]["containers"]:
        lines += await _or_reason(partial(_log, kube, namespace, pod["metadata"]["name"], container["name"]))
    return "\n".join(lines)


async def _events(kube: Kube, namespace: str, pod: str) -> list[str]:
    path = f"/api/v1/namespaces/{namespace}/events"
    items, _ = await kube.list(path, fields=f"involvedObject.name={pod},type=Warning")
    items.sort(key=lambda item: item.get("lastTimestamp") or item.get("eventTime") or "")
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
