"""hubops check --render: what helm makes of hubs, judged by the API of the Kubernetes that they run on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from fast.rendering import render
from hubops.desired.manifests.model import Rendering
from hubops.desired.model import Findings
from hubops.desired.problems import find_problems
from hubops.desired.rules.registry import REGISTRY, Registry
from hubops.desired.rules.views import HubView

VALUES = "values.yaml"
ALL = "all"
Renderings = Mapping[str, Sequence[Rendering]]


@dataclass(frozen=True)
class Fault:
    """A template (NAME stands for the fault's name) and values, and what is to be found.

    That is the rule, the line of the template or the place in values ("" is nothing), and parts of the text.
    """

    rule: str
    where: str
    parts: tuple[str, ...]
    template: str
    values: str = ""

    @property
    def is_alone(self) -> bool:
        """Whether it needs a hub of its own; a render for each would take long."""
        return bool(self.values) or self.rule == "render-failed"


def pod(container: str = "", more: str = "") -> str:
    """A pod, with more in its container and beside its containers; each on one line."""
    lines = [
        "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec:\n  containers:\n    - name: c\n      image: i"
    ]
    lines += [f"      {container}"] if container else []
    lines += [f"  {more}"] if more else []
    return "\n".join([*lines, ""])


def thing(version: str, kind: str, more: str = "") -> str:
    return f"# a comment\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: NAME}}\n{more}"


MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n"
FAULTS = {
    # --- what the schema says, of what the template has written
    "quantity": Fault(
        "manifest", "8",
        ("Pod NAME: spec.containers[0].resources.limits.memory must be a quantity", 'not "1GiB"', "Did you mean 1Gi?"),
        pod("resources: {limits: {memory: 1GiB}}"),
    ),
    "field-with-a-slip": Fault(
        "manifest", "8",
        ("unknown key spec.containers[0].imagePullPolcy", "leaves it out", "Did you mean imagePullPolicy?"),
        pod("imagePullPolcy: Always"),
    ),
    "field-in-the-wrong-place": Fault(
        "manifest", "8", ("unknown key spec.containers[0].nodeSelector",), pod("nodeSelector: {a: b}")
    ),
    "required": Fault(
        "manifest", "", ("spec.selector is missing", "Kubernetes 1.34 requires it"),
        thing("apps/v1", "Deployment", "spec:\n  template:\n    spec: {containers: [{name: c}]}\n"),
    ),
    "required-that-is-null": Fault(
        "manifest", "7", ("spec.containers is missing",),
        "\n\n" + thing("v1", "Pod", "spec: {containers: null}\n"),
    ),
    "number-as-text": Fault(
        "manifest", "8", ("containerPort must be a whole number", "Take the quotes away."),
        pod('ports: [{containerPort: "80"}]'),
    ),
    "number-too-large": Fault(
        "manifest", "8", ("containerPort must be at most 2147483647",),
        pod("ports: [{containerPort: 99999999999}]"),
    ),
    "number-for-a-text": Fault(
        "manifest", "4", ("data.a must be a text, not 5", "Quote it."), f"{MAP}data: {{a: 5}}\n"
    ),
    "map-for-a-text": Fault(
        "manifest", "4", ("data.a must be a text, not keys and values",), f"{MAP}data: {{a: {{b: c}}}}\n"
    ),
    "enum": Fault(
        "manifest", "8", ('"Always", "IfNotPresent" or "Never", not "Sometimes"',),
        pod("imagePullPolicy: Sometimes"),
    ),
    "enum-in-a-list": Fault(
        "manifest", "5", ("spec.policyTypes[0]", 'not "Ingres"'),
        thing("networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: {}, policyTypes: [Ingres]}\n"),
    ),
    "base64": Fault(
        "manifest", "5", ("data.a must be base64",), thing("v1", "Secret", "data: {a: pass word}\n")
    ),
    "label": Fault(
        "manifest", "3", ("metadata.labels.a must be a label", 'not "b c"'),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, labels: {a: b c}}\n",
    ),
    "label-key": Fault(
        "manifest", "3", ("metadata.labels.a b cannot be a key",),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, labels: {a b: c}}\n",
    ),
    "selector": Fault(
        "manifest", "8", ("spec.nodeSelector.pool must be a text, not true", "Quote it."),
        pod(more="nodeSelector: {pool: yes}"),
    ),
    "name": Fault(
        "manifest", "3", ("metadata.name must be lower-case letters", 'not "M_1"'),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: M_1}\n",
    ),
    "name-of-a-service": Fault(
        "manifest", "3", ("first a letter", 'not "1st"'),
        "apiVersion: v1\nkind: Service\nmetadata: {name: 1st}\n",
    ),
    "name-missing": Fault(
        "manifest", "3", ("metadata.name is missing",), "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n"
    ),
    "kind-missing": Fault("manifest", "", ("NAME: kind is missing",), "apiVersion: v1\nmetadata: {name: NAME}\n"),
    "in-a-list-of-objects": Fault(
        "manifest", "4", ("ConfigMap NAME: unknown key dat",),
        "apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: NAME}, dat: {}}\n",
    ),
    "in-a-custom-definition": Fault(
        "manifest", "8", ("unknown key spec.names.shortNams",),
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: as.b.c}\n"
        "spec:\n  group: b.c\n  scope: Cluster\n  versions: [{name: v1, served: true, storage: true}]\n"
        "  names: {kind: A, plural: as, shortNams: [a]}\n",
    ),
    "key-twice": Fault("manifest", "6", ("the key a is there twice",), f"{MAP}data:\n  a: b\n  a: c\n"),
    # --- of what stands in values
    "quantity-of-a-value": Fault(
        "manifest", "3:3", ("requests.storage must be a quantity", "rendered from hub-charts/NAME/templates/NAME.yaml"),
        thing("v1", "PersistentVolumeClaim", "spec: {resources: {requests: {storage: {{ .Values.disk.size }}}}}\n"),
        "disk:\n  kind: fast\n  size: 10GB\n",
    ),
    "value-of-the-same-key": Fault(
        "manifest", "3:24", ("limits.memory must be a quantity",),
        pod("resources: {{ toJson .Values.hub.resources }}"),
        "singleuser: {memory: 1GiB}\nhub:\n  resources: {limits: {memory: 1GiB}}\nproxy: {memory: 1GiB}\n",
    ),
    "value-that-is-a-map": Fault(
        "manifest", "2:3", ("securityContext.runAsUsr", "Did you mean runAsUser?"),
        pod("securityContext: {{ toJson .Values.context }}"), "context:\n  runAsUsr: 1000\n",
    ),
    "value-in-a-list": Fault(
        "manifest", "2:5", ("spec.volumes[1].name is missing",),
        pod(more='volumes: {{ concat (list (dict "name" "v")) .Values.volumes | toJson }}'),
        "volumes:\n  - emptyDir: {sizeLimit: 1Gi}\n",
    ),
    "value-that-needs-quotes": Fault(
        "manifest", "1:9", ("metadata.annotations.port must be a text, not 8080",),
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: NAME\n  annotations: {{ toJson .Values.notes }}\n",
        "notes: {port: 8080}\n",
    ),
    # --- versions of the API
    "removed": Fault(
        "removed-api", "2",
        ("policy/v1beta1 PodDisruptionBudget is gone since 1.25", "Write it as policy/v1 PodDisruptionBudget."),
        thing("policy/v1beta1", "PodDisruptionBudget"),
    ),
    "removed-two-versions-ago": Fault(
        "removed-api", "2", ("is gone since 1.16", "Write it as networking.k8s.io/v1 NetworkPolicy."),
        thing("extensions/v1beta1", "NetworkPolicy"),
    ),
    "removed-without-replacement": Fault(
        "removed-api", "2", ("is gone since 1.25", "nothing takes its place"),
        thing("policy/v1beta1", "PodSecurityPolicy"),
    ),
    "deprecated": Fault(
        "deprecated-api", "2", ("v1 Endpoints is deprecated since 1.33",), thing("v1", "Endpoints")
    ),
    "not-by-default": Fault(
        "unknown-kind", "2", ("is not served by default", "Write it as resource.k8s.io/v1 DeviceClass."),
        thing("resource.k8s.io/v1beta1", "DeviceClass", "spec: {}\n"),
    ),
    "not-yet": Fault(
        "unknown-kind", "2", ("is there from 1.36 on",),
        thing("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"),
    ),
    "kind-with-a-slip": Fault(
        "unknown-kind", "2", ("there is no apps/v1 Deploymnt", "Did you mean Deployment?"),
        thing("apps/v1", "Deploymnt"),
    ),
    "group-with-a-slip": Fault(
        "unknown-kind", "2", ("there is no app/v1 Deployment", "Did you mean apps/v1?"),
        thing("app/v1", "Deployment"),
    ),
    "group-missing": Fault(
        "unknown-kind", "2", ("Did you mean networking.k8s.io/v1?",), thing("v1", "Ingress")
    ),
    "version-from-a-value": Fault(
        "removed-api", "1:8", ("gone since 1.25",),
        thing("{{ .Values.cron.apiVersion }}", "CronJob"), "cron: {apiVersion: batch/v1beta1}\n",
    ),
    # --- several objects
    "twice": Fault(
        "duplicate-object", "", ("ConfigMap NAME is rendered twice",), f"{MAP}---\n{MAP}"
    ),
    "twice-by-two-versions": Fault(
        "duplicate-object", "", ("HorizontalPodAutoscaler NAME is rendered twice",),
        "---\n".join(
            f"apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: NAME}}\n"
            for version in ("v1", "v2")
        ),
    ),
    "twice-in-the-cluster": Fault(
        "duplicate-object", "", ("Namespace NAME is rendered twice",),
        "---\n".join(
            f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: NAME, namespace: {where}}}\n" for where in "ab"
        ),
    ),
    # --- helm fails
    "fail": Fault(
        "render-failed", "2", ("helm cannot render NAME: no such class",), '\n{{ fail "no such class" }}'
    ),
    "no-function": Fault("render-failed", "2", ('function "nosuch" not defined',), "\n{{ nosuch }}"),
    "no-value": Fault(
        "render-failed", "1", ("nil pointer evaluating", "at .Values.a.b.c"), "x: {{ .Values.a.b.c }}"
    ),
    "value-of-another-kind": Fault(
        "render-failed", "2:3", ("at .Values.a.b.c", "rendered from hub-charts/NAME/templates/NAME.yaml"),
        "x: {{ .Values.a.b.c }}", "a:\n  b: 5\n",
    ),
    "no-yaml": Fault(
        "render-failed", "6", ("error converting YAML to JSON", "the line is: b: c: d"),
        f"{MAP}data:\n  a: b\n  b: c: d\n",
    ),
    # --- nothing is wrong
    "nothing": Fault("", "", (), ""),
    "nulls": Fault("", "", (), pod("resources: {limits: {cpu: null}}", "nodeSelector: null")),
    "quantities": Fault("", "", (), pod('resources: {limits: {cpu: 1.5, memory: 2e9, a.b/gpu: "1", x.y/z: 2k}}')),
    "no-choice": Fault("", "", (), pod('imagePullPolicy: ""')),
    "ports": Fault(
        "", "", (), thing("v1", "Service", "spec: {ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 81, targetPort: 81}]}\n")
    ),
    "names": Fault(
        "", "", (), "---\n".join(
            f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: '{name}', annotations: {{A/b_c: 'any thing'}}}}\n{more}"
            for version, kind, name, more in (
                ("rbac.authorization.k8s.io/v1", "ClusterRole", "system:Hub", "rules: []\n"),
                ("v1", "ConfigMap", "a.b-c", ""),
                ("v1", "Namespace", "n", ""),
            )
        ),
    ),
    "two-namespaces": Fault(
        "", "", (), f"{MAP}---\n{MAP.replace('name: NAME', 'name: NAME, namespace: other')}"
    ),
    "hooks": Fault(
        "", "", (), "---\n".join(
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: NAME, annotations: {{helm.sh/hook: {when}}}}}\n"
            for when in ("pre-install", "pre-upgrade")
        ),
    ),
}  # fmt: skip


def hub_of(name: str) -> str:
    return name if FAULTS[name].is_alone else ALL


def place(name: str) -> str:
    """Where a fault is: values where a column is told."""
    file, where = f"hub-charts/{hub_of(name)}/templates/{name}.yaml", FAULTS[name].where
    if FAULTS[name].values and ":" in where:
        file = f"hub-charts/{name}/{VALUES}"
    return f"{file}:{where}" if where else file


def write_hub(root: Path, name: str, dependencies: str = "", values: str = "") -> Path:
    directory = root / "hub-charts" / name
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n{dependencies}")
    (directory / VALUES).write_text(values)
    return directory / "templates"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet")
    (root / "hubops.yaml").write_text("clusters: {local: {local: true}}\n")
    shared = write_hub(root, ALL)
    for name, fault in FAULTS.items():
        templates = write_hub(root, name, values=fault.values) if fault.is_alone else shared
        (templates / f"{name}.yaml").write_text(fault.template.replace("NAME", name))
    return root


@pytest.fixture(scope="module")
def rendered(fleet: Path) -> Renderings:
    """Each hub rendered once for all tests of this module."""
    kept: dict[str, Sequence[Rendering]] = {}

    def keep(views: Sequence[HubView]) -> Renderings:
        kept.update(render()(views))
        return kept

    find_problems(fleet, render=keep)
    return kept


@pytest.fixture(scope="module")
def findings(fleet: Path, rendered: Renderings) -> Findings:
    return find_problems(fleet, render=lambda _views: rendered)


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_at_its_place_and_nothing_else(name: str, findings: Findings) -> None:
    fault, template = FAULTS[name], f"/templates/{name}.yaml"
    found = [each for each in findings.problems if each.hubs == (name,) or template in each.where]
    assert [(each.rule, each.where) for each in found] == ([(fault.rule, place(name))] if fault.rule else [])
    for part in fault.parts:
        assert part.replace("NAME", name) in str(found[0].error())


def test_each_problem_belongs_to_a_fault(findings: Findings) -> None:
    assert len(findings.problems) == len([fault for fault in FAULTS.values() if fault.rule])


def test_nothing_is_told_of_what_was_not_found(findings: Findings) -> None:
    assert findings.notes == ()


def test_without_a_rule_its_faults_are_not_found(
    fleet: Path, findings: Findings, rendered: Renderings
) -> None:
    rules = {rule.name for rule in REGISTRY.of_manifests}
    assert {fault.rule for fault in FAULTS.values()} - {""} == rules
    for name in rules:
        groups = {each.name: getattr(REGISTRY, each.name) for each in fields(REGISTRY)}
        registry = Registry(
            **{key: tuple(r for r in group if r.name != name) for key, group in groups.items()}
        )
        left = find_problems(fleet, registry=registry, render=lambda _views: rendered)
        assert left.problems == tuple(each for each in findings.problems if each.rule != name)
