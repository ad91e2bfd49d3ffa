"""The kind cluster of an instance: made, brought back, rebuilt when its recipe changed, removed."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from hubops import digest
from hubops.clients import process
from hubops.errors import MachineError, ProgramError
from hubops.events import Emit, Line, Remark, step
from hubops.local import host
from hubops.local.docker import Docker
from hubops.local.instance import Instance, write_atomically
from hubops.local.network import Network
from hubops.local.readiness import Readiness
from hubops.local.recipe import NODE

EDGE_NODE_PORT = 30080
_OWN_MOUNTS = {
    "resolv.conf": "/kind/resolv.conf",
    "certs.d": "/etc/containerd/certs.d",
    "volumes": "/var/local/volumes",
}
_OFFICIAL_MOUNTS = {"certs.d": "/etc/containerd/certs.d", "volumes": "/var/local-path-provisioner"}
# Our node has its own simple network plugin and runs kube-proxy itself. cgroupfs is used under both
# cgroup versions (v2: not verified); failCgroupV1 is kubelet's default since 1.35.
_OWN_SETTINGS = {
    "networking": {"disableDefaultCNI": True, "kubeProxyMode": "none", "podSubnet": "10.244.0.0/16"},
    "kubeadmConfigPatches": [
        json.dumps(
            {
                "kind": "KubeletConfiguration",
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "cgroupDriver": "cgroupfs",
                "failCgroupV1": False,
                "resolvConf": "/kind/resolv.conf",
            }
        )
    ],
}


@dataclass(frozen=True)
class Parts:
    """What a cluster is made with."""

    docker: Docker
    kind: Path
    kubectl: Path
    network: Network
    image: str


async def require_cluster(instance: Instance, parts: Parts, emit: Emit) -> None:
    """A cluster that answers, made by this recipe.

    A stopped node is started; one that does not come back, or was made from another recipe, is
    rebuilt. User volumes lie on the host and are found again by a rebuilt cluster.

    Raises:
        MachineError: it does not become ready.
        ProgramError: kind failed.
    """
    recipe = _recipe(instance, parts)
    if not await _is_or_comes_back(instance, parts, recipe, emit):
        with step(emit, f"cluster {instance.name}"):
            await _create(instance, parts, emit)
    write_atomically(_image_file(instance), parts.image)
    write_atomically(_record_file(instance), recipe)


async def _is_or_comes_back(instance: Instance, parts: Parts, recipe: str, emit: Emit) -> bool:
    state = await parts.docker.state(instance.node)
    if not state or _recorded(instance) != recipe:
        return False
    cluster = _readiness(instance, parts)
    if state == "running" and await cluster.is_usable() and await cluster.is_settled():
        return True
    with step(emit, f"cluster {instance.name}, started again"):
        if await _start(instance, parts) and await cluster.came():
            return True
        emit(Remark("it does not come back: rebuilt, with its volumes kept"))
    return False


async def delete_cluster(instance: Instance, docker: Docker) -> None:
    """Remove the node container; what lies in the instance's directory stays."""
    if await docker.state(instance.node):
        await docker("rm", "-f", "-v", instance.node)
    _record_file(instance).unlink(missing_ok=True)


async def describe_policies(instance: Instance, docker: Docker) -> str:
    """Whether NetworkPolicies hold on the running node; kind's official image has an enforcer of its own."""
    if await docker.state(instance.node) != "running":
        return "not enforced: the node does not run"
    if NODE not in await docker("inspect", "-f", "{{.Config.Image}}", instance.node):
        return "enforced by kind's own network"
    unit = "network-policies"
    if "running" in await docker("exec", instance.node, "systemctl", "show", "-p", "SubState", unit):
        return "enforced"
    return f"not enforced; see: docker exec {instance.node} journalctl -u {unit}"


def _readiness(instance: Instance, parts: Parts) -> Readiness:
    return Readiness(instance, parts.docker, parts.kubectl)


async def _start(instance: Instance, parts: Parts) -> bool:
    """Start a stopped node. False when its network is gone, so that it never can."""
    try:
        await parts.docker("start", instance.node)
    except ProgramError as error:
        if "network" in error.why and "not found" in error.why:
            return False
        raise
    return True


async def _create(instance: Instance, parts: Parts, emit: Emit) -> None:
    await delete_cluster(instance, parts.docker)
    # A kind that was killed leaves its lock, or half a file.
    for left in (instance.kubeconfig, instance.kubeconfig.with_name("kubeconfig.lock")):
        left.unlink(missing_ok=True)
    _write_mounts(instance, parts.network)
    host.require_free_port(instance.edge_port, "--port")
    config = _config_file(instance)
    write_atomically(config, _config_text(instance, parts.image))
    await process.run(
        [
            *(parts.kind, "create", "cluster", f"--name={instance.name}", f"--image={parts.image}"),
            *(f"--config={config}", f"--kubeconfig={instance.kubeconfig}", "--wait=0s"),
        ],
        env={**parts.docker.env, "KIND_EXPERIMENTAL_DOCKER_NETWORK": parts.network.name},
        on_line=lambda line: emit(Line(line)),
    )
    # kind's own policy lets a stopped node lie after a restart of Docker.
    await parts.docker("update", "--restart=unless-stopped", instance.node)
    if not await _readiness(instance, parts).came():
        raise MachineError(
            f"the cluster {instance.name} does not become ready",
            why=await parts.docker(
                "exec", instance.node, "journalctl", "-u", "kubelet", "-n", "15", "--no-pager"
            ),
            hint=f"See: docker exec {instance.node} journalctl -u kubelet",
        )


def is_made_of(instance: Instance, image: str) -> bool:
    """Whether the cluster was made of this node image with today's settings; asks no Docker."""
    config = _config_file(instance)
    written = config.read_text() if config.is_file() else ""
    image_file = _image_file(instance)
    recorded = image_file.read_text() if _recorded(instance) and image_file.is_file() else ""
    return recorded == image and written == _config_text(instance, image)


def _config_file(instance: Instance) -> Path:
    return instance.directory / "kind.json"


def _config_text(instance: Instance, image: str) -> str:
    return json.dumps(_kind_config(instance, image), indent=2)


def _record_file(instance: Instance) -> Path:
    return instance.directory / "cluster.recipe"


def _image_file(instance: Instance) -> Path:
    return instance.directory / "cluster.image"


def _recorded(instance: Instance) -> str:
    file = _record_file(instance)
    return file.read_text() if file.exists() else ""


def _recipe(instance: Instance, parts: Parts) -> str:
    made_of = [_kind_config(instance, parts.image), _mirrors(instance, parts.network)]
    return digest.of_parts([parts.image, str(parts.network.subnet), json.dumps(made_of)])


def _write_mounts(instance: Instance, network: Network) -> None:
    """What the node sees of the host: its name servers, where the registries are, the volumes."""
    instance.directory.mkdir(parents=True, exist_ok=True)
    write_atomically(instance.directory / "resolv.conf", "\n".join(host.nameservers()) + "\n", mode=0o644)
    mirrors = instance.directory / "certs.d"
    shutil.rmtree(mirrors, ignore_errors=True)
    for registry, text in _mirrors(instance, network).items():
        (mirrors / registry).mkdir(parents=True)
        (mirrors / registry / "hosts.toml").write_text(text)
    (instance.directory / "volumes").mkdir(exist_ok=True)


def _mirrors(instance: Instance, network: Network) -> dict[str, str]:
    """The hosts.toml for containerd of each registry that the local one stands for."""
    address = f"http://{network.registry_address}:5000"
    text = f'[host."{address}"]\n  capabilities = ["pull", "resolve"]\n'
    # Without `server` the node then asks itself, and "not found" becomes "connection refused".
    return {instance.registry: f'server = "{address}"\n\n{text}', "docker.io": text}


def _kind_config(instance: Instance, image: str) -> dict[str, object]:
    own = NODE in image
    node = {
        "role": "control-plane",
        "extraMounts": [
            {"hostPath": str(instance.directory / source), "containerPath": target}
            for source, target in (_OWN_MOUNTS if own else _OFFICIAL_MOUNTS).items()
        ],
        "extraPortMappings": [
            {"containerPort": EDGE_NODE_PORT, "hostPort": instance.edge_port, "listenAddress": "127.0.0.1"}
        ],
    }
    config: dict[str, object] = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}
    return {**config, **(_OWN_SETTINGS if own else {})}
