"""What goes wrong in the first months, on a real hub: known soon, its cause named, and what was proved is back."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cluster.conftest import NAME, Cluster, Fleet
from cluster.test_deploy import deploy_py, make_fleet
from hubops.desired.values import merge
from hubops.desired.yaml import parse_yaml
from hubops.local.docker import require_docker
from hubops.local.instance import load_instance

HUB = "staginghub"
ROLLED_BACK, FAILED = 30, 1
# What is so in a cluster only, and so no test of the image notices.
ENTRYPOINT = 'ENTRYPOINT ["sh", "-c", "exec env ${{KUBERNETES_SERVICE_HOST:+{}}} \\"$@\\"", "sh"]\n'
WITHOUT_SINGLEUSER = "\n" + ENTRYPOINT.format("PATH=/usr/bin:/bin")
WITHOUT_KERNEL = """
USER root
RUN mkdir /opt/broken && echo "raise ImportError(__name__)" > /opt/broken/ipykernel_launcher.py
USER 1000:1000
""" + ENTRYPOINT.format("PYTHONPATH=/opt/broken")
VOLUME = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: lecture}
spec:
  storageClassName: absent
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
"""
PORT = """\
apiVersion: v1
kind: Service
metadata: {name: second}
spec:
  type: NodePort
  ports: [{port: 80, nodePort: 30080}]
"""
HOOK = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: prepare-lecture
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
        - name: prepare
          image: "{{ .Values.jupyterhub.hub.image.name }}:{{ .Values.jupyterhub.hub.image.tag }}"
          command: [sleep, "3600"]
"""


@dataclass(frozen=True)
class Fault:
    """What is changed in the repository, and words that the message must have."""

    causes: tuple[str, ...]
    values: dict[str, Any] = field(default_factory=dict)
    edit: Callable[[Path], None] = lambda _: None
    code: int = ROLLED_BACK


def template(text: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        directory = root / "hub-charts" / HUB / "templates"
        directory.mkdir()
        (directory / "fault.yaml").write_text(text)

    return edit


def dockerfile(change: Callable[[str], str]) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        file = root / "user-images" / "earth" / "Dockerfile"
        file.write_text(change(file.read_text()))

    return edit


FAULTS = {
    "crash loop": Fault(
        ("the ocean is closed", "CrashLoopBackOff"),
        {"hub": {"extraConfig": {"crash": "raise SystemExit('the ocean is closed')"}}},
    ),
    "bad image": Fault(
        ("no/such:never", "not found"),
        {"hub": {"image": {"hubops-image": None, "name": "localhost:PORT/no/such", "tag": "never"}}},
    ),
    "missing secret": Fault(
        ('secret "absent" not found',),
        {"hub": {"extraEnv": {"X": {"valueFrom": {"secretKeyRef": {"name": "absent", "key": "x"}}}}}},
    ),
    "unbindable volume": Fault(('"absent" not found', "lecture"), edit=template(VOLUME)),
    "port conflict": Fault(("provided port is already allocated", "second"), edit=template(PORT)),
    # A hook may take as long as the hub's timeout allows; here that is a minute.
    "hook that hangs": Fault(("pre-upgrade hooks failed", "prepare-lecture"), edit=template(HOOK)),
    "wrong key in hub.config": Fault(
        ("JupyterHub does not know KubeSpawner.strt_timeout",),
        {"hub": {"config": {"KubeSpawner": {"strt_timeout": 10}}}},
    ),
    "image without jupyterhub-singleuser": Fault(
        ("jupyterhub-singleuser",), edit=dockerfile(lambda text: text + WITHOUT_SINGLEUSER)
    ),
    "broken kernel": Fault(
        ("kernel", "ipykernel_launcher"),
        edit=dockerfile(lambda text: text + WITHOUT_KERNEL),
    ),
    "spawner error": Fault(
        ('serviceaccount "absent" not found',),
        {"hub": {"config": {"KubeSpawner": {"service_account": "absent"}}}},
    ),
}
IN_CI = {"wrong key in hub.config"}


def faulty_fleet(directory: Path, fault: Fault) -> Path:
    root = make_fleet(directory)
    shutil.rmtree(root / "hub-charts" / "earthhub")
    port = load_instance(NAME).registry_port
    change = json.loads(json.dumps(fault.values).replace("PORT", str(port)))
    # Content that failed is held; another run of the tests must find it new.
    change = merge({"hub": {"extraEnv": {"RUN": uuid4().hex}}}, change)
    values = root / "hub-charts" / HUB / "values.yaml"
    own = parse_yaml(values.read_text(), "values.yaml").value
    values.write_text(json.dumps(merge(own, {"jupyterhub": change})))
    with (root / "hub-charts" / HUB / "hub.yaml").open("a") as settings:
        settings.write("timeout: 60\n")
    fault.edit(root)
    return root


def verdict_s(text: str) -> float:
    """Seconds from the beginning of the deploy to the verdict: its first failed step, and what came before."""
    total = 0.0
    for mark, seconds in re.findall(
        rf"^(ok|!!) (?:deploy|verify) {HUB}.*\(([\d.]+) s\)$", text, re.MULTILINE
    ):
        total += float(seconds)
        if mark == "!!":
            return total
    raise AssertionError("no step failed")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in IN_CI else pytest.mark.long) for name in FAULTS]
)
async def test_a_fault_is_known_soon_named_and_taken_back(
    fleet: Fleet, cluster: Cluster, tmp_path: Path, name: str
) -> None:
    assert fleet.hubs
    fault = FAULTS[name]
    root = faulty_fleet(tmp_path, fault)
    ended = await deploy_py(HUB, "--no-setup", "--build", "--push", "--deploy", root=root)
    print(f"FIGURE {name}: {verdict_s(ended.text):.1f} s")  # noqa: T201 - a figure for whoever reads the log
    message = ended.text[ended.text.index("\nerror: ") :]
    assert [cause for cause in fault.causes if cause not in message] == []
    assert "\nTraceback (most recent call last)" not in ended.text, "but in what a pod printed"
    assert ended.code == fault.code
    pods = await cluster.run("get", "pods", "-n", HUB, "-l", "component in (hub, proxy)", "-o", "json")
    statuses = [pod["status"]["containerStatuses"][0]["ready"] for pod in json.loads(pods)["items"]]
    assert statuses == [True, True]
    assert await cluster.run("get", "jobs", "-n", HUB, "-o", "name") == ""


FITS_NOWHERE = {"resources": {"requests": {"memory": "900Gi"}}}
NO_NODE: dict[str, dict[str, Any]] = {
    "the hub": {"hub": FITS_NOWHERE},
    "people's servers": {"singleuser": {"nodeSelector": {"no-such": "node"}, "startTimeout": 15}},
}


@pytest.mark.long
@pytest.mark.parametrize("name", NO_NODE)
async def test_no_node_takes_nothing_back(fleet: Fleet, tmp_path: Path, name: str) -> None:
    assert fleet.hubs
    root = faulty_fleet(tmp_path / "none", Fault((), NO_NODE[name]))
    ended = await deploy_py(HUB, "--no-setup", "--deploy", root=root)
    assert ended.code == FAILED
    assert "Add a node or ask for less" in ended.text
    assert "nodes are available" in ended.text
    assert f"roll back {HUB}" not in ended.text
    root = faulty_fleet(tmp_path / "fits", Fault(()))
    assert (await deploy_py(HUB, "--no-setup", "--deploy", root=root)).code == 0


@pytest.mark.long
async def test_placeholders_without_a_node_fail_no_deploy(
    fleet: Fleet, cluster: Cluster, tmp_path: Path
) -> None:
    assert fleet.hubs

    async def deploy(**placeholder: Any) -> str:
        root = faulty_fleet(
            tmp_path / uuid4().hex, Fault((), {"scheduling": {"userPlaceholder": placeholder}})
        )
        assert (await deploy_py(HUB, "--no-setup", "--deploy", root=root)).code == 0
        fields = "jsonpath={.items[*].spec.containers[0].resources.requests.memory}"
        return await cluster.run("get", "pods", "-n", HUB, "-l", "component=user-placeholder", "-o", fields)

    assert await deploy(replicas=2, **FITS_NOWHERE) == "900Gi 900Gi"
    await deploy(replicas=1, resources={"requests": {"memory": "16Mi"}})
    ready = "--for=jsonpath={.status.readyReplicas}=1"
    await cluster.run("wait", "-n", HUB, "statefulset/user-placeholder", ready, "--timeout=60s")
    assert await deploy() == ""


@pytest.mark.long
async def test_a_quota_is_named(fleet: Fleet, cluster: Cluster, tmp_path: Path) -> None:
    assert fleet.hubs
    small = {"requests": {"memory": "100Mi"}}
    fits = {"hub": {"resources": small}, "proxy": {"chp": {"resources": small}}}
    too_much = merge(fits, {"hub": {"resources": {"requests": {"memory": "8Gi"}}}})
    root = faulty_fleet(tmp_path / "fits", Fault((), fits))
    assert (await deploy_py(HUB, "--no-setup", "--deploy", root=root)).code == 0
    await cluster.run("create", "quota", "lecture", "-n", HUB, "--hard=requests.memory=4Gi")
    try:
        root = faulty_fleet(tmp_path / "too-much", Fault((), too_much))
        ended = await deploy_py(HUB, "--no-setup", "--deploy", root=root)
    finally:
        await cluster.run("delete", "quota", "lecture", "-n", HUB)
    print(f"FIGURE quota: {verdict_s(ended.text):.1f} s")  # noqa: T201
    assert ended.code == ROLLED_BACK
    assert "exceeded quota: lecture" in ended.text


@pytest.mark.long
async def test_a_registry_that_goes_away_is_named(fleet: Fleet, cluster: Cluster, tmp_path: Path) -> None:
    assert fleet.hubs
    assert cluster
    engine = await require_docker(lambda _: None)
    registry = load_instance(NAME).registry_container
    # An image that the node does not have; all of it is pushed before the registry goes.
    root = faulty_fleet(tmp_path, Fault((), edit=dockerfile(lambda text: f"{text}ENV RUN={uuid4().hex}\n")))
    await deploy_py(HUB, "--no-setup", "--build", "--push", root=root)

    async def stop() -> None:
        await engine("stop", "-t", "1", registry)

    try:
        ended = await deploy_py(HUB, "--no-setup", "--deploy", root=root, at_line=("helm upgrade", stop))
    finally:
        await engine("start", registry)
    print(f"FIGURE registry gone: {verdict_s(ended.text):.1f} s")  # noqa: T201
    assert ended.code == ROLLED_BACK
    # The address is gone with the container: the network itself takes twenty seconds to say so.
    assert "dial tcp" in ended.text
