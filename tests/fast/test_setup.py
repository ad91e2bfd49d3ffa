"""The check of the setup: it refuses what a deploy would meet half-way, and changes nothing."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from fast.memory_api import Answer, Json, MemoryApi
from fast.memory_registry import MemoryRegistry
from hubops import run
from hubops.checks.rights import Thing, check_rights
from hubops.cli.machine import load_machine
from hubops.clients.kube import Kube
from hubops.desired.model import Fleet
from hubops.desired.repository import load_fleet
from hubops.errors import RefusedError
from hubops.events import Event, StepEnded
from hubops.local.instance import load_instance, save_instance

PROJECT = Path(__file__).parents[2]
HUB = "staginghub"
# Of each API the resources that matter here, as discovery calls them; "!" is in no namespace.
RESOURCES = {
    "/api/v1": "configmaps.ConfigMap secrets.Secret services.Service services/proxy.Service"
    " serviceaccounts.ServiceAccount persistentvolumeclaims.PersistentVolumeClaim",
    "/apis/apps/v1": "deployments.Deployment daemonsets.DaemonSet statefulsets.StatefulSet",
    "/apis/networking.k8s.io/v1": "networkpolicies.NetworkPolicy ingresses.Ingress",
    "/apis/rbac.authorization.k8s.io/v1": "roles.Role rolebindings.RoleBinding",
    "/apis/policy/v1": "poddisruptionbudgets.PodDisruptionBudget",
    "/apis/scheduling.k8s.io/v1": "!priorityclasses.PriorityClass",
}
ALL: Json = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


class GuardedApi(MemoryApi):
    """Permits what `rules` permit by namespace, and says only the first `told` of them when asked for the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[str, list[Json]] = {HUB: [ALL], "hubops": [ALL], "": [ALL]}
        self.told = 100
        for path, names in RESOURCES.items():
            self.objects[path] = {"resources": [_resource(name) for name in names.split()]}
        self.objects["/version"] = {"gitVersion": "v1.34.4"}
        self.objects["/api/v1/namespaces/hubops"] = {}
        self.release("sh.helm.release.v1.staginghub.v1")

    def release(self, name: str) -> None:
        labels = {"owner": "helm", "name": HUB}
        self.objects[f"/api/v1/namespaces/{HUB}/secrets/{name}"] = {"metadata": {"labels": labels}}

    def forbid(self, namespace: str, group: str, resource: str, *verbs: str) -> None:
        """All but these verbs of the resource is permitted in the namespace."""
        others = [
            verb
            for verb in ("get", "list", "watch", "create", "update", "patch", "delete")
            if verb not in verbs
        ]
        known = [name for names in RESOURCES.values() for name in names.replace("!", "").split()]
        rest = {name.partition(".")[0] for name in known} | {"pods", "replicasets", "leases", "namespaces"}
        self.rules[namespace] = [
            {**ALL, "resources": sorted(rest - {resource})},
            {"verbs": others, "apiGroups": [group], "resources": [resource]},
        ]

    def answer(self, method: str, target: str, body: Json) -> Answer:
        if target.endswith("/selfsubjectrulesreviews"):
            rules = self.rules[body["spec"]["namespace"]][: self.told]
            return 201, {"status": {"resourceRules": rules, "incomplete": self.told < len(rules)}}
        if target.endswith("/selfsubjectaccessreviews"):
            return 201, {"status": {"allowed": self._permits(body["spec"]["resourceAttributes"])}}
        if target == "/api/v1/namespaces/hubops":  # it would pass for a list
            return (200, {}) if target in self.objects else (404, {"message": "not found"})
        return super().answer(method, target, body)

    def _permits(self, asked: Mapping[str, str]) -> bool:
        wanted = {"verbs": asked["verb"], "apiGroups": asked["group"], "resources": asked["resource"]}
        rules = self.rules[asked["namespace"]]
        return any(all({value, "*"} & {*rule[key]} for key, value in wanted.items()) for rule in rules)


def _resource(name: str) -> Json:
    plural, _, kind = name.lstrip("!").partition(".")
    return {"name": plural, "kind": kind, "namespaced": not name.startswith("!")}


@pytest.fixture
async def kube() -> AsyncIterator[tuple[GuardedApi, Kube]]:
    api = GuardedApi()
    async with api.open() as client:
        yield api, client


THINGS = {
    Thing("networking.k8s.io/v1", "NetworkPolicy", HUB),
    Thing("scheduling.k8s.io/v1", "PriorityClass", HUB),
    Thing("example.org/v1", "Course", HUB),  # its definition may come with the chart
}
MISSING = {
    "a network policy": (HUB, "networking.k8s.io", "networkpolicies", "create"),
    "changing what is there": (HUB, "networking.k8s.io", "networkpolicies", "patch"),
    "taking out what goes": (HUB, "networking.k8s.io", "networkpolicies", "delete"),
    "of the whole cluster": ("", "scheduling.k8s.io", "priorityclasses", "create"),
    "helm's records": (HUB, "", "secrets", "update"),
    "watching pods": (HUB, "", "pods", "watch"),
    "watching the rollout": (HUB, "apps", "daemonsets", "list"),
    "the lease": ("hubops", "coordination.k8s.io", "leases", "update"),
    "the record": ("hubops", "", "secrets", "create"),
    "the cluster's name": ("hubops", "", "configmaps", "create"),
}


@pytest.mark.parametrize("case", MISSING)
async def test_a_right_that_a_deploy_lacks_is_named(kube: tuple[GuardedApi, Kube], case: str) -> None:
    api, client = kube
    namespace, group, resource, verb = MISSING[case]
    api.forbid(namespace, group, resource, verb)
    with pytest.raises(RefusedError) as caught:
        await check_rights(client, HUB, HUB, THINGS)
    place = f"namespace {namespace}" if namespace else "the whole cluster"
    assert caught.value.why == f"forbidden are\n{resource}{f'.{group}' if group else ''} in {place}: {verb}"


async def test_with_every_right_all_is_well_and_it_takes_few_questions(kube: tuple[GuardedApi, Kube]) -> None:
    api, client = kube
    asked: list[str] = []

    def note(method: str, path: str) -> int:
        asked.append(path)
        return 0

    api.fault = note
    await check_rights(client, HUB, HUB, THINGS)
    assert api.writes == []
    assert len(asked) < 10


async def test_rules_that_are_not_all_told_are_no_refusal(kube: tuple[GuardedApi, Kube]) -> None:
    api, client = kube
    api.told = 0
    await check_rights(client, HUB, HUB, THINGS)
    api.rules["hubops"] = [{**ALL, "resourceNames": ["another"]}]
    api.rules[""] = [{**ALL, "resources": ["priorityclasses"]}]
    await check_rights(client, HUB, HUB, THINGS)


@pytest.mark.parametrize(
    "absent",
    [f"/api/v1/namespaces/{HUB}/secrets/sh.helm.release.v1.staginghub.v1", "/api/v1/namespaces/hubops"],
)
async def test_namespaces_are_made_where_they_are_not_there(
    kube: tuple[GuardedApi, Kube], absent: str
) -> None:
    api, client = kube
    del api.objects[absent]
    await check_rights(client, HUB, HUB, THINGS)
    api.forbid("", "", "namespaces", "create")
    with pytest.raises(RefusedError, match="namespaces in the whole cluster: create"):
        await check_rights(client, HUB, HUB, ())


class Setup:
    """`deploy.py staginghub` without options, with an API server and a registry in memory."""

    def __init__(self, api: GuardedApi, kube: Kube, registry: MemoryRegistry, state: Path) -> None:
        self.api, self.kube, self.registry, self.state = api, kube, registry, state
        self.notes: dict[str, str] = {}

    async def check(self, fleet: Fleet) -> None:
        hub = fleet.hubs[HUB]
        machine = replace(await load_machine(fleet, hub.cluster, lambda _: None), registry=self.registry.host)
        session: Any = SimpleNamespace(machine=machine, kube=self.kube, emit=self._note)
        await run.check_setup(fleet, hub, session)

    def _note(self, event: Event) -> None:
        if isinstance(event, StepEnded):
            self.notes[event.title] = event.note

    def files(self) -> set[str]:
        return {str(path.relative_to(self.state)) for path in self.state.rglob("*")}


@pytest.fixture
async def setup(
    kube: tuple[GuardedApi, Kube], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Setup]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HUBOPS_LOCAL", "hubops-setup")
    instance = load_instance("hubops-setup")
    save_instance(instance)
    instance.kubeconfig.touch()
    registry = MemoryRegistry()
    registry.tags[""] = {"any": ""}  # so that it answers at all
    async with registry.open():
        yield Setup(*kube, registry, tmp_path / "state")


async def test_the_setup_of_a_new_hub_is_only_read(setup: Setup) -> None:
    before = setup.files()
    await setup.check(load_fleet(PROJECT))
    assert setup.files() == before
    assert setup.api.writes == []
    assert setup.notes["check secrets"] == "made by its first deploy"
    assert setup.notes["check rights"] == HUB


async def test_what_the_hubs_chart_makes_is_asked_for(setup: Setup) -> None:
    """Network policies by default, a hook's kinds and the puller's where the values say so, nothing else."""
    setup.api.forbid(HUB, "apps", "statefulsets", "create")
    await setup.check(load_fleet(PROJECT))
    setup.api.forbid(HUB, "networking.k8s.io", "networkpolicies", "create")
    with pytest.raises(
        RefusedError, match=r"networkpolicies.networking.k8s.io in namespace staginghub: create"
    ):
        await setup.check(load_fleet(PROJECT))


async def test_of_a_chart_that_is_not_here_the_usual_is_asked_for(setup: Setup, operations: Path) -> None:
    hub = operations / "hub-charts" / HUB
    chart = yaml.safe_load((hub / "Chart.yaml").read_text())
    chart["dependencies"][0] |= {"repository": "https://charts.example.org"}
    (hub / "Chart.yaml").write_text(yaml.safe_dump(chart))
    await setup.check(load_fleet(operations))
    assert "its chart was not rendered" in setup.notes["check rights"]
    setup.api.forbid(HUB, "rbac.authorization.k8s.io", "roles", "create")
    with pytest.raises(RefusedError, match="roles"):
        await setup.check(load_fleet(operations))
