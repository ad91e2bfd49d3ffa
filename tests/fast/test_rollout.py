"""Judging objects: one row per state that a cluster has shown or could show."""

from typing import Any

import pytest

from hubops.checks.judge import judge_pod, judge_workload, unscheduled
from hubops.checks.model import State
from hubops.checks.nodes import find_lack

Json = dict[str, Any]
FAILED, WAITING, DONE = State.FAILED, State.WAITING, State.DONE


def workload(kind: str, spec: Json, status: Json, **labels: str) -> Json:
    metadata = {"name": "x", "generation": 2, "labels": labels}
    return {
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
        "status": {"observedGeneration": 2, **status},
    }


READY = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
SCHEDULED = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}

WORKLOADS: list[tuple[str, Json, State]] = [
    ("ready", workload("Deployment", {"replicas": 2}, READY), DONE),
    (
        "status is of an older spec",
        workload("Deployment", {"replicas": 2}, {**READY, "observedGeneration": 1}),
        WAITING,
    ),
    ("no status yet", {**workload("Deployment", {}, {}), "status": {}}, WAITING),
    ("replicas default to one", workload("Deployment", {}, {}), WAITING),
    ("scaled to zero", workload("Deployment", {"replicas": 0}, {}), DONE),
    ("not updated", workload("Deployment", {"replicas": 2}, {**READY, "updatedReplicas": 1}), WAITING),
    (
        "ready but not long enough",
        workload("Deployment", {"replicas": 2}, {**READY, "availableReplicas": 1}),
        WAITING,
    ),
    ("old pods remain", workload("Deployment", {"replicas": 2}, {**READY, "replicas": 3}), WAITING),
    ("ready", workload("StatefulSet", {"replicas": 2}, READY), DONE),
    ("not ready", workload("StatefulSet", {"replicas": 2}, {**READY, "readyReplicas": 1}), WAITING),
    (
        "updated on delete only",
        workload("StatefulSet", {"replicas": 2, **ON_DELETE}, {**READY, "updatedReplicas": 0}),
        DONE,
    ),
    (
        "updated as far as its partition",
        workload(
            "StatefulSet",
            {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            {**READY, "updatedReplicas": 1},
        ),
        DONE,
    ),
    (
        "standing room without a node",
        workload("StatefulSet", {"replicas": 9}, {}, component="user-placeholder"),
        DONE,
    ),
    ("ready", workload("DaemonSet", {}, SCHEDULED), DONE),
    ("a node waits", workload("DaemonSet", {}, {**SCHEDULED, "numberAvailable": 2}), WAITING),
    (
        "a node has the old pod",
        workload("DaemonSet", {}, {**SCHEDULED, "updatedNumberScheduled": 2}),
        WAITING,
    ),
    ("no node wants it", workload("DaemonSet", {}, {"desiredNumberScheduled": 0}), DONE),
]


@pytest.mark.parametrize(
    ("workload", "state"), [row[1:] for row in WORKLOADS], ids=[f"{r[1]['kind']} {r[0]}" for r in WORKLOADS]
)
def test_a_workload_is_judged(workload: Json, state: State) -> None:
    assert judge_workload(workload).state is state


def pod(reason: str, message: str = "", restarts: int = 0, where: str = "containerStatuses") -> Json:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"status": {"phase": "Pending", where: [{"name": "c", "restartCount": restarts, "state": state}]}}


def ended(exit_code: int, restarts: int) -> Json:
    state = {"terminated": {"reason": "Error", "exitCode": exit_code}}
    return {"status": {"containerStatuses": [{"name": "c", "restartCount": restarts, "state": state}]}}


NO_NODE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available",
}
PODS: list[tuple[str, Json, State]] = [
    ("created", {"status": {}}, WAITING),
    ("pulling", pod("ContainerCreating"), WAITING),
    ("no node", {"status": {"phase": "Pending", "conditions": [NO_NODE]}}, WAITING),
    ("ready", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, DONE),
    ("ended well", {"status": {"phase": "Succeeded"}}, DONE),
    ("crashed once", pod("CrashLoopBackOff", restarts=1), WAITING),
    ("crashed three times", pod("CrashLoopBackOff", restarts=2), FAILED),
    ("has just failed for the third time", ended(1, restarts=2), FAILED),
    ("has just failed for the second time", ended(1, restarts=1), WAITING),
    ("ended well after failures", ended(0, restarts=2), WAITING),
    ("its preparation crashes", pod("CrashLoopBackOff", "", 2, "initContainerStatuses"), FAILED),
    (
        "an image that is not there",
        pod("ErrImagePull", 'failed to resolve "r/x:1": r/x:1: not found'),
        FAILED,
    ),
    ("an image for others", pod("ImagePullBackOff", "pull access denied for r/x"), FAILED),
    ("a registry that is away", pod("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout"), WAITING),
    (
        "a registry that is overloaded",
        pod("ImagePullBackOff", "unexpected status: 429 Too Many Requests"),
        WAITING,
    ),
    ("a registry that is not there", pod("ErrImagePull", "dial tcp: lookup r: no such host"), WAITING),
    (
        "a registry that is still not there",
        pod(
            "ImagePullBackOff",
            'Back-off pulling image "r/x:1": ErrImagePull: dial tcp: lookup r: no such host',
        ),
        FAILED,
    ),
    (
        "a registry that stays overloaded",
        pod("ImagePullBackOff", 'Back-off pulling image "r/x:1": ErrImagePull: unexpected status: 503'),
        WAITING,
    ),
    ("back-off without its cause", pod("ImagePullBackOff", 'Back-off pulling image "r/x:1"'), WAITING),
    ("no such secret", pod("CreateContainerConfigError", 'secret "s" not found'), FAILED),
    (
        "a secret that kubelet has not seen yet",
        pod("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"),
        WAITING,
    ),
    ("no such name", pod("InvalidImageName", "couldn't parse image reference"), FAILED),
]


@pytest.mark.parametrize(("pod", "state"), [row[1:] for row in PODS], ids=[row[0] for row in PODS])
def test_a_pod_is_judged(pod: Json, state: State) -> None:
    assert judge_pod(pod).state is state


def test_a_verdict_names_container_reason_and_message() -> None:
    verdict = judge_pod(pod("ErrImagePull", "r/x:1: not found"))
    assert verdict.message == "container c: ErrImagePull: r/x:1: not found"
    message = "container c: CrashLoopBackOff: failed 3 times, last with Error, exit code 1"
    assert judge_pod(ended(1, restarts=2)).message == message


def test_a_pod_without_a_node_says_why() -> None:
    assert unscheduled({"status": {"conditions": [NO_NODE]}}) == "0/1 nodes are available"
    assert unscheduled({"status": {"conditions": [{**NO_NODE, "status": "True"}]}}) == ""


WAITS: Json = {"status": {"phase": "Pending", "conditions": [NO_NODE]}}
SERVES: Json = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
NO_VOLUME = {
    **NO_NODE,
    "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims",
}


@pytest.mark.parametrize(
    ("pods", "lack"),
    [
        ([], ""),
        ([SERVES], ""),
        ([SERVES, WAITS], "0/1 nodes are available"),
        ([WAITS, pod("ContainerCreating")], ""),
        ([WAITS, pod("CrashLoopBackOff", restarts=2)], ""),
        ([{"status": {"conditions": [NO_VOLUME]}}], ""),
    ],
)
def test_only_where_nothing_but_nodes_is_missing_nothing_has_failed(pods: list[Json], lack: str) -> None:
    assert find_lack(pods) == lack
