"""What hubops check --render says of manifests, held to a real API server of the version that it is said for."""

from collections.abc import Iterator
from typing import Any

import pytest

from fast.test_check_render import ALL, FAULTS, hub_of
from fast.test_kubernetes_api import FORMS
from hubops.answer import Present
from hubops.clients.kube import Json, Kube
from hubops.desired.manifests.api import Api, load_api
from hubops.desired.manifests.model import Manifest
from hubops.desired.manifests.reading import read_manifests
from hubops.errors import ClusterError
from hubops.local.tools import KUBERNETES

API = load_api(int(KUBERNETES.split(".")[1]))
# Where the server is milder: these are nothing to it.
NO_AMOUNT = {"Gi", "."}
NOT_SERVED = "not served"


class Server:
    """The API server, asked what it makes of objects; nothing is kept."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._kinds: dict[str, dict[str, Json]] = {}

    async def says(self, value: Json) -> str:
        """Why it refuses the object; empty where it takes it."""
        version, kind = value["apiVersion"], value["kind"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if version not in self._kinds:
            found = await self._kube.find(root)
            resources = found.value["resources"] if isinstance(found, Present) else []
            self._kinds[version] = {each["kind"]: each for each in resources if "/" not in each["name"]}
        about = self._kinds[version].get(kind)
        if about is None:
            return NOT_SERVED
        namespace = value["metadata"].get("namespace") or "default"
        within = f"/namespaces/{namespace}" if about["namespaced"] else ""
        path = f"{root}{within}/{about['name']}?dryRun=All&fieldValidation=Strict"
        try:
            await self._kube.create(path, value)
        except ClusterError as error:
            return f"{error.what} {error.why}"
        return ""


@pytest.fixture(scope="session")
def server(kube: Kube) -> Server:
    return Server(kube)


def objects(name: str) -> list[Manifest]:
    template = FAULTS[name].template.replace("NAME", name).replace("namespace: other", "namespace: hubops")
    return [each for each in read_manifests(template) if isinstance(each, Manifest) and each.kind]


# What is wrong with one object alone, as it stands in a template without values.
SINGLE = [
    name
    for name, fault in FAULTS.items()
    if hub_of(name) == ALL and fault.rule != "duplicate-object" and objects(name)
]


@pytest.mark.parametrize("name", SINGLE)
async def test_the_server_has_the_same_against_an_object(name: str, server: Server) -> None:
    said = [await server.says(each.value) for each in objects(name)]
    match FAULTS[name].rule:
        case "" | "deprecated-api":
            assert said == [""] * len(said)
        case "manifest":
            assert all(said)
            assert NOT_SERVED not in said
        case _:
            assert said == [NOT_SERVED]


async def test_the_server_reads_quantities_in_the_same_way(server: Server) -> None:
    wrong = {}
    for is_right, texts in FORMS["quantity"].items():
        for text in texts:
            said = await server.says(with_size(text))
            if is_right == any(
                word in said for word in ("quantities must match", "unable to parse quantity")
            ):
                wrong[text] = said
    assert wrong == dict.fromkeys(NO_AMOUNT, "")


def with_size(quantity: str) -> Json:
    volume = {"name": "v", "emptyDir": {"sizeLimit": quantity}}
    return pod({"containers": [{"name": "c", "image": "i"}], "volumes": [volume]})


def pod(spec: Json) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def named(version: str, kind: str, name: str, **more: Any) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}


def in_form(form: str, text: str) -> Json:
    match form:
        case "byte":
            return named("v1", "Secret", "s", data={"a": text})
        case "label" | "label-key" | "annotation-key":
            made = named("v1", "ConfigMap", "m")
            pairs = {"a": text} if form == "label" else {text: "a"}
            made["metadata"]["annotations" if "annotation" in form else "labels"] = pairs
            return made
        case "dns-label":
            return pod({"containers": [{"name": text, "image": "i"}]})
        case "dns-label-from-a-letter":
            return named("v1", "Service", text, spec={"ports": [{"port": 80}]})
        case "subdomain":
            return named("v1", "ConfigMap", text)
        case _:
            return named("rbac.authorization.k8s.io/v1", "ClusterRole", text, rules=[])


@pytest.mark.parametrize("form", FORMS.keys() - {"quantity"})
async def test_the_server_wants_the_same_forms(form: str, server: Server) -> None:
    said = {text: await server.says(in_form(form, text)) for texts in FORMS[form].values() for text in texts}
    refused = {text for text, why in said.items() if why}
    assert refused == {*FORMS[form][False]}, said


async def test_the_schemas_are_those_that_the_server_publishes(kube: Kube) -> None:
    """With the choices, which Kubernetes leaves out of the OpenAPI in its source."""
    ours = {name.lower(): schema for name, schema in API._definitions.items()}
    compared = 0
    for document in await published(kube, API):
        for name, theirs in document["components"]["schemas"].items():
            short = ".".join(name.split(".")[-3:]).lower()
            schema = ours.get(short)
            if schema is None or "properties" not in theirs or "properties" not in schema:
                continue
            assert schema["properties"].keys() == theirs["properties"].keys(), name
            if name.endswith("Spec"):
                assert schema.get("required", []) == theirs.get("required", []), name
            for key, value in theirs["properties"].items():
                assert choices(schema["properties"][key]) == choices(value), (name, key)
                compared += 1
    assert compared > 2000


async def published(kube: Kube, api: Api) -> list[Json]:
    found = await kube.find("/openapi/v3")
    assert isinstance(found, Present)
    stable = [f"apis/{version}" if "/" in version else f"api/{version}" for version in api.kinds]
    paths = [about["serverRelativeURL"] for path, about in found.value["paths"].items() if path in stable]
    documents = [await kube.find(path) for path in paths]
    return [each.value for each in documents if isinstance(each, Present)]


def choices(schema: Json) -> set[str]:
    def within(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from value.get("enum") or ()
            yield from within(value.get("items"))

    return {*within(schema)}
