"""The API of Kubernetes that comes along: derived as the script says, and read as the API server reads."""

import json
import os

import jsonschema_rs
import pytest

import kubernetes_api as script
from hubops.desired.manifests.api import Life, known_minors, load_api
from hubops.desired.manifests.formats import CHECKS, WORDS
from hubops.local import paths, toolchain
from hubops.local.tools import KUBERNETES

DERIVED = json.loads(script.TARGET.read_text())
LATEST = load_api(known_minors()[-1])


@pytest.mark.long
async def test_it_is_what_the_script_derives(monkeypatch: pytest.MonkeyPatch) -> None:
    go = await toolchain._require_go(lambda _event: None)
    monkeypatch.setenv("PATH", f"{go.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GOMODCACHE", str(paths.cache_dir() / "go/modules"))
    assert script.written(script.derive()) == script.TARGET.read_text()


def test_it_has_the_version_that_the_local_cluster_is_built_with() -> None:
    assert KUBERNETES in script.RELEASES
    assert load_api(int(KUBERNETES.split(".")[1])).release == KUBERNETES
    assert [f"1.{minor}" for minor in known_minors()] == [
        each[1:].rpartition(".")[0] for each in script.RELEASES
    ]
    assert script.written(DERIVED) == script.TARGET.read_text()


@pytest.mark.parametrize("minor", known_minors())
def test_each_kind_has_a_schema_that_holds_together(minor: int) -> None:
    api = load_api(minor)
    kinds = [kind for named in api.kinds.values() for kind in named.values()]
    assert {"Deployment", "Secret", "Ingress", "CustomResourceDefinition"} <= {kind.name for kind in kinds}
    definitions = api._definitions
    assert jsonschema_rs.meta.is_valid({"$defs": definitions})
    referred = {text.split('"')[0] for text in json.dumps(definitions).split("#/$defs/")[1:]}
    assert referred | {kind.schema for kind in kinds} == {*definitions}


@pytest.mark.parametrize("minor", known_minors())
def test_what_is_there_is_not_gone(minor: int) -> None:
    """Two sources that must agree: what the paths serve, and what lifecycles say of it."""
    api = load_api(minor)
    for version, kinds in api.kinds.items():
        for name in kinds:
            life = api.life(version, name)
            assert not 0 < life.removed <= minor, (version, name)
            assert life.introduced <= minor, (version, name)


def test_lives() -> None:
    assert LATEST.life("policy/v1beta1", "PodDisruptionBudget") == Life(
        5, 21, 25, "policy/v1 PodDisruptionBudget"
    )
    assert LATEST.life("v1", "Endpoints").deprecated == 33
    assert LATEST.life("apps/v1", "Nothing") == Life()


REPLACED = {
    "extensions/v1beta1 Ingress": "networking.k8s.io/v1 Ingress",
    "networking.k8s.io/v1beta1 Ingress": "networking.k8s.io/v1 Ingress",
    "apps/v1beta2 DaemonSet": "apps/v1 DaemonSet",
    "autoscaling/v2beta1 HorizontalPodAutoscaler": "autoscaling/v2 HorizontalPodAutoscaler",
    "rbac.authorization.k8s.io/v1beta1 ClusterRole": "rbac.authorization.k8s.io/v1 ClusterRole",
    "apiextensions.k8s.io/v1beta1 CustomResourceDefinition": "apiextensions.k8s.io/v1 CustomResourceDefinition",
    "flowcontrol.apiserver.k8s.io/v1beta1 FlowSchema": "flowcontrol.apiserver.k8s.io/v1 FlowSchema",
    "policy/v1beta1 PodSecurityPolicy": "",
    "extensions/v1beta1 PodSecurityPolicy": "",
}  # fmt: skip


@pytest.mark.parametrize("gone", REPLACED)
def test_what_takes_the_place_of_what_is_gone(gone: str) -> None:
    assert LATEST.replacement(*gone.split(" ")) == REPLACED[gone]


QUANTITIES = {
    True: [*"1 0 +1 -1 1.5 .5 5. 1e3 1E3 1e-3 1E+3 100m 1k 1M 2G 1T 1P 1E 1n 1u 1Ki 1Mi 1.5Gi 1Ti 1Pi 1Ei 00.10".split(), " 1Gi "],
    False: ["", "1GiB", "1GB", "1g", "1K", "1 Gi", "Gi", "1e", "1e1.5", "1,5", "1kk", "1mi", ".", "--1", "1_000", "0x10"],
}  # fmt: skip
FORMS = {
    "quantity": QUANTITIES,
    "byte": {True: ["", "YQ==", "YWJj\nYWJj\n"], False: ["YQ", "a b", "é", "YQ=", "YQ==="]},
    "label": {True: ["", "a", "A.b_c-d", "1", "a" * 63], False: ["a b", "-a", "a.", "é", "a/b", "a" * 64]},
    "label-key": {True: ["a", "a.b/C_d", "A"], False: ["", "/a", "A.b/c", "a/b/c", "a b", "a/", "a" * 64]},
    "annotation-key": {True: ["A/b", "a"], False: ["a b", ""]},
    "dns-label": {True: ["a", "1", "a-b"], False: ["", "A", "-a", "a.b", "a_b", "a" * 64]},
    "dns-label-from-a-letter": {True: ["a", "a-1"], False: ["1", "", "1a"]},
    "subdomain": {
        True: ["a", "a.b-c", "1", "a" * 253],
        False: ["", "A", "a..b", "a.-b", ".a", "a_b", "a" * 254],
    },
    "path-segment": {True: ["a", "system:A b"], False: ["a/b", "a%b", ".", ".."]},
}


@pytest.mark.parametrize("form", CHECKS)
def test_forms(form: str) -> None:
    assert WORDS.keys() == CHECKS.keys() == FORMS.keys()
    for is_right, texts in FORMS[form].items():
        assert {text: CHECKS[form](text) for text in texts} == dict.fromkeys(texts, is_right)
