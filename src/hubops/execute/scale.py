"""Bringing what a release runs to nothing; its volumes, Services and all else stay."""

from collections.abc import Sequence

from hubops.clients.kube import Json, Kube

_KINDS = ("deployments", "statefulsets")
_RELEASE = "meta.helm.sh/release-name"  # helm writes it to every object of a release
_SERVERS = "component=singleuser-server"


async def find_running(kube: Kube, release: str, namespace: str) -> tuple[Sequence[str], Sequence[str]]:
    """The paths of the release's workloads that are to have pods, and of people's servers."""
    workloads = []
    for kind in _KINDS:
        path = f"/apis/apps/v1/namespaces/{namespace}/{kind}"
        items, _ = await kube.list(path)
        workloads += [f"{path}/{item['metadata']['name']}" for item in items if _is_running(item, release)]
    pods = f"/api/v1/namespaces/{namespace}/pods"
    servers, _ = await kube.list(pods, labels=_SERVERS)
    return workloads, [f"{pods}/{pod['metadata']['name']}" for pod in servers]


async def stop(kube: Kube, workloads: Sequence[str], servers: Sequence[str]) -> None:
    """Bring the workloads to 0 replicas, and then end the servers: nobody is there to start another."""
    for path in workloads:
        await kube.patch(path, {"spec": {"replicas": 0}})
    for path in servers:
        await kube.delete(path)


def _is_running(workload: Json, release: str) -> bool:
    annotations = workload["metadata"].get("annotations", {})
    return bool(annotations.get(_RELEASE) == release and workload["spec"].get("replicas", 1) != 0)
