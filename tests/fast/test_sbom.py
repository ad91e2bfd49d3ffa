"""The list of what is in an image: the format's own schema takes it, and it is the same for the same image."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from hubops.checks.trial_model import Package
from hubops.report.sbom import format_sbom, parse_sbom

SCHEMAS = files("cyclonedx.schema").joinpath("_res")
PACKAGES = (
    Package("conda", "r-base", "4.4.1"),
    Package("debian", "libstdc++6", "12.2.0-14+deb12u1"),
    Package("npm", "@jupyter/chat", "0.9.0"),
    Package("python", "numpy", "2.2.0"),
    Package("ubuntu", "git", "1:2.43.0-1ubuntu7"),
)
KINDS = ["python", "conda", "npm", "debian", "ubuntu"]
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Validator:
    def read(name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(SCHEMAS.joinpath(f"{name}.SNAPSHOT.schema.json").read_text())
        return found

    others = [
        (f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json", read(name))
        for name in ("jsf-0.82", "spdx")
    ]
    registry = jsonschema_rs.Registry(others)
    return jsonschema_rs.validator_for(read("bom-1.6"), registry=registry)


def test_the_formats_own_schema_takes_it(schema: jsonschema_rs.Validator) -> None:
    document = json.loads(format_sbom("earth", PACKAGES))
    assert list(schema.iter_errors(document)) == []
    document["components"][0]["type"] = "thing"
    assert not schema.is_valid(document)


def test_package_urls_are_read_as_they_are_meant() -> None:
    urls = [one["purl"] for one in json.loads(format_sbom("earth", PACKAGES))["components"]]
    found = [PackageURL.from_string(url) for url in urls]
    assert [(one.type, one.namespace, one.name, one.version) for one in found] == [
        ("conda", None, "r-base", "4.4.1"),
        ("deb", "debian", "libstdc++6", "12.2.0-14+deb12u1"),
        ("npm", "@jupyter", "chat", "0.9.0"),
        ("pypi", None, "numpy", "2.2.0"),
        ("deb", "ubuntu", "git", "1:2.43.0-1ubuntu7"),
    ]


def test_it_is_the_same_for_the_same_image() -> None:
    text = format_sbom("earth", PACKAGES)
    assert text == format_sbom("earth", PACKAGES[::-1])
    assert b"serialNumber" not in text
    assert b"timestamp" not in text


@given(st.lists(st.builds(Package, st.sampled_from(KINDS), TEXTS, TEXTS), unique=True))
def test_what_is_written_is_read(packages: list[Package]) -> None:
    assert parse_sbom(format_sbom("earth", packages)) == tuple(sorted(packages))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"components": [{}]}', b'{"components": 1}'])
def test_what_is_no_such_list_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"packages|JSON|Expecting"):
        parse_sbom(text)
