"""Where one object stands, from what the API says of it: pure, so that a table can test it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hubops.checks.model import State, Verdict

Json = Mapping[str, Any]
# Reasons of a waiting container that no waiting mends.
_HOPELESS = {"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"}
_FAILING = {"CrashLoopBackOff", "RunContainerError"}
# A pull is hopeless at once when the registry itself said no, and when it is tried again in vain unless the
# reason is one that passes. kubelet names the reason of a back-off since Kubernetes 1.30.
_REGISTRY_SAID_NO = re.compile(
    r"not found|manifest unknown|access denied|unauthorized|forbidden|no match for platform", re.IGNORECASE
)
_MAY_PASS = re.compile(
    r"\b(429|50\d)\b|timed?.?out|failed to sync|deadline|reset by peer|\bEOF\b|unavailable", re.IGNORECASE
)
# kubelet waits 10 s before it starts a failed container again, then 20 s: the third failure is final.
_FAILURES = 3
# Standing room for people to come: waiting for a node, and giving way, is what these pods are for.
_STANDING_ROOM = "user-placeholder"


def judge_workload(workload: Json) -> Verdict:
    """Where a Deployment, StatefulSet or DaemonSet stands, as `kubectl rollout status` sees it."""
    spec, status = workload["spec"], workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return Verdict(State.WAITING, "its change is not yet seen by its controller")
    if workload["metadata"].get("labels", {}).get("component") == _STANDING_ROOM:
        return Verdict(State.DONE, "standing room need not be ready")
    counts = _counts(workload["kind"], spec, status)
    if counts.updated < counts.to_update or counts.ready < counts.wanted:
        done = min(counts.updated, counts.ready)
        return Verdict(State.WAITING, f"{done} of {counts.wanted} pods are updated and ready")
    if status.get("replicas", 0) > counts.wanted:
        return Verdict(State.WAITING, "old pods are still ending")
    return Verdict(State.DONE, f"{counts.wanted} of {counts.wanted} pods are ready")


def judge_pod(pod: Json, *, patient: bool = True) -> Verdict:
    """Whether a pod can still become ready by itself. Not scheduled, pulling and starting are not failures.

    A container may fail twice; without `patient` it may not.
    """
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        if hopeless := _hopeless(container, _FAILURES if patient else _FAILURES - 1):
            return Verdict(State.FAILED, f"container {container['name']}: {hopeless}")
    if is_ready(pod):
        return Verdict(State.DONE, "ready")
    return Verdict(State.WAITING, unscheduled(pod) or status.get("phase", "Pending"))


def is_over(pod: Json) -> bool:
    """Whether the pod has ended for good, as one that was evicted: it lies about, and another one is in its place."""
    return pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}


def is_failing(pod: Json) -> bool:
    """Whether a container failed twice and waits for its next try."""
    return judge_pod(pod).state is State.WAITING and judge_pod(pod, patient=False).state is State.FAILED


def _hopeless(container: Json, allowed: int) -> str:
    """Why a container will not start by being waited for; empty while it may."""
    state = container.get("state", {})
    waiting, ended = state.get("waiting", {}), state.get("terminated", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    # The waiting for the next restart shows only some ten seconds after the failure.
    if reason in _FAILING or ended.get("exitCode", 0) != 0:
        failures = container.get("restartCount", 0) + 1
        said = f"CrashLoopBackOff: failed {failures} times, {_end_of(container)}"
        return said if failures >= allowed else ""
    # kubelet says "failed to sync secret cache: timed out" of a secret it has just not seen yet.
    hopeless = reason in _HOPELESS and not _MAY_PASS.search(message)
    return f"{reason}: {message}" if hopeless or _is_pull_hopeless(reason, message) else ""


def _is_pull_hopeless(reason: str, message: str) -> bool:
    if reason not in {"ErrImagePull", "ImagePullBackOff"}:
        return False
    again = reason == "ImagePullBackOff" and "ErrImagePull" in message
    return is_pull_in_vain(message, again=again)


def is_pull_in_vain(failure: str, *, again: bool) -> bool:
    """Whether a pull that failed like this stays so; `again`: it is to be tried again."""
    return _REGISTRY_SAID_NO.search(failure) is not None or (again and not _MAY_PASS.search(failure))


def _end_of(container: Json) -> str:
    """How the container ended last, e.g. "OOMKilled, exit code 137"."""
    for state in (container.get("state", {}), container.get("lastState", {})):
        if ended := state.get("terminated"):
            return f"last with {ended.get('reason', 'Error')}, exit code {ended.get('exitCode')}"
    return "nobody knows how"


def unscheduled(pod: Json) -> str:
    """Why the scheduler found no node; empty when it did."""
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message", "")) or "no node"
    return ""


@dataclass(frozen=True)
class _Counts:
    wanted: int
    to_update: int
    updated: int
    ready: int


def _counts(kind: str, spec: Json, status: Json) -> _Counts:
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        to_update = 0 if spec.get("updateStrategy", {}).get("type") == "OnDelete" else wanted
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        return _Counts(wanted, to_update, updated, ready)
    wanted = spec.get("replicas", 1)
    updated = status.get("updatedReplicas", 0)
    if kind == "StatefulSet":
        return _Counts(wanted, _to_update(spec, wanted), updated, status.get("readyReplicas", 0))
    return _Counts(wanted, wanted, updated, status.get("availableReplicas", 0))


def _to_update(spec: Json, wanted: int) -> int:
    strategy = spec.get("updateStrategy", {})
    if strategy.get("type") == "OnDelete":
        return 0
    partition: int = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    return max(0, wanted - partition)


def is_ready(pod: Json) -> bool:
    """Whether a pod serves, or has ended well."""
    conditions = pod.get("status", {}).get("conditions", ())
    finished = pod.get("status", {}).get("phase") == "Succeeded"
    return finished or any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
