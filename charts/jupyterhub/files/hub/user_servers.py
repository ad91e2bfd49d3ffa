"""What KubeSpawner is told about the servers people work on."""

from typing import Any

from lookup import Values, at, present, traits
from user_storage import render_storage

# What "restricted" asks of a pod beyond `allowPrivilegeEscalation` (Kubernetes' pod security standards).
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY = {"capabilities": {"drop": ["ALL"]}}

_TRAITS = {
    "cpu_guarantee": "cpu.guarantee",
    "cpu_limit": "cpu.limit",
    "environment": "extraEnv",
    "extra_annotations": "extraAnnotations",
    "extra_labels": "extraLabels",
    "fs_gid": "fsGid",
    "image_pull_policy": "image.pullPolicy",
    "init_containers": "initContainers",
    "lifecycle_hooks": "lifecycleHooks",
    "mem_guarantee": "memory.guarantee",
    "mem_limit": "memory.limit",
    "node_selector": "nodeSelector",
    "profile_list": "profileList",
    "start_timeout": "startTimeout",
    "uid": "uid",
}
_PURPOSE = {
    "matchExpressions": [{"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]}]
}


def render_spawner(values: Values) -> dict[str, Any]:
    """Traits of Spawner, as with the upstream chart: one of KubeSpawner, which is a kind of it, would win over `c.Spawner`."""
    user = values["singleuser"]
    return {
        **traits(user, {"cmd": "cmd", "default_url": "defaultUrl"}),
        **traits(values, {"consecutive_failure_limit": "hub.consecutiveFailureLimit"}),
        # A class that starts together waits for processors, longer than JupyterHub's half minute: two minutes were not enough for
        # thirty on two processors.
        "http_timeout": max(120, at(user, "startTimeout") or 0),
    }


def render_kubespawner(values: Values, namespace: str) -> dict[str, Any]:
    """Traits of KubeSpawner; the servers run in `namespace`."""
    user = values["singleuser"]
    return {
        "namespace": namespace,
        "image": image_name(user["image"]),
        "image_pull_secrets": list(at(values, "imagePullSecrets") or []),
        "common_labels": _common_labels(values),
        # Work outlives the server, and the person: KubeSpawner would delete the volume with the user.
        "delete_pvc": False,
        "pod_security_context": POD_SECURITY,
        "container_security_context": CONTAINER_SECURITY,
        "allow_privilege_escalation": False,
        "automount_service_account_token": False,
        # Names of other Services in the environment help nobody, and slow a shell where there are many.
        "extra_pod_config": {"enableServiceLinks": False},
        **_scheduling(values),
        **traits(user, _TRAITS),
        **render_storage(user),
    }


def image_name(image: Values) -> str:
    """An image as Kubernetes has it."""
    return ":".join(part for part in (image["name"], image.get("tag")) if part)


def _common_labels(values: Values) -> dict[str, str]:
    """The labels by which the upstream chart, too, finds user servers and their volumes."""
    chart, release = values["Chart"], values["Release"]["Name"]
    versioned = f"{chart['Name']}-{chart['Version'].replace('+', '_')}"
    return {
        "app": chart["Name"],
        "release": release,
        "chart": versioned,
        "app.kubernetes.io/name": chart["Name"],
        "app.kubernetes.io/instance": release,
        "helm.sh/chart": versioned,
        "app.kubernetes.io/managed-by": "kubespawner",
    }


def _scheduling(values: Values) -> dict[str, Any]:
    pods = "scheduling.userPods"
    tolerations = [
        *(at(values, f"{pods}.tolerations") or []),
        *(at(values, "singleuser.extraTolerations") or []),
    ]
    wish = at(values, f"{pods}.nodeAffinity.matchNodePurpose")
    return present(
        {
            "tolerations": tolerations or None,
            # The chart names it, for the whole cluster has one of a name.
            "priority_class_name": at(values, "Names.priorityClass"),
            "node_affinity_required": [_PURPOSE] if wish == "require" else None,
            "node_affinity_preferred": [{"weight": 100, "preference": _PURPOSE}]
            if wish == "prefer"
            else None,
        }
    )
