"""Opening secrets with the real sops and age: what is wrong is told apart, and no value shows."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.conftest import show
from hubops.cli.secret_source import secrets_of
from hubops.clients import process
from hubops.clients.sops import decrypt
from hubops.desired.model import Cluster, Hub
from hubops.desired.secret_files import SecretState, classify
from hubops.desired.yaml import parse_yaml
from hubops.errors import ProgramError, RefusedError, RepositoryError
from hubops.local.toolchain import require_tool

CANARY = "canary-4711"
FILE = "secrets/campushub.yaml"
PLAIN = f"""jupyterhub:
  # {CANARY} in a comment
  hub:
    services: {{hubops: {{apiToken: "{CANARY}"}}}}
    cookieSecret: "0604373"
    concurrentSpawnLimit: 5
    allowNamedServers: true
"""


@dataclass(frozen=True)
class Vault:
    """A repository with one file of secrets, and whose key opens it."""

    root: Path
    sops: Path
    recipient: str

    @property
    def content(self) -> bytes:
        return (self.root / FILE).read_bytes()


@pytest.fixture
async def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    sops, keygen = await require_tool("sops", show), await require_tool("age-keygen", show)
    await process.run([keygen, "-o", tmp_path / "key"])
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "key"))
    match = re.search(r"age1\w+", (tmp_path / "key").read_text())
    assert match
    (tmp_path / "secrets").mkdir()
    encrypt: list[str | Path] = [
        sops,
        "--encrypt",
        "--age",
        match[0],
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
    ]
    (tmp_path / FILE).write_text(await process.run([*encrypt, "/dev/stdin"], stdin=PLAIN.encode()))
    return Vault(tmp_path, sops, match[0])


async def test_what_sops_wrote_is_opened_with_its_types(vault: Vault) -> None:
    assert classify(vault.content, parse_yaml(vault.content, FILE)) is SecretState.SOPS
    assert CANARY.encode() not in vault.content
    assert await decrypt(vault.sops, vault.content, FILE) == {
        "jupyterhub": {
            "hub": {
                "services": {"hubops": {"apiToken": CANARY}},
                "cookieSecret": "0604373",
                "concurrentSpawnLimit": 5,
                "allowNamedServers": True,
            }
        }
    }


async def test_a_deploy_gets_the_part_of_its_chart_and_opens_it_once(vault: Vault) -> None:
    directory = vault.root / "hub-charts/campushub"
    cluster = Cluster("campus", context="campus")
    hub = Hub("campushub", directory, "staging", cluster, "", "campushub", "campushub", "/", "jupyterhub", {})
    secrets = secrets_of(vault.root, show)
    assert secrets(hub)["hub"]["services"]["hubops"]["apiToken"] == CANARY
    (vault.root / FILE).unlink()
    assert secrets(hub)["hub"]["cookieSecret"] == "0604373"


@pytest.mark.parametrize("key", ["none", "another"])
async def test_without_its_key_the_recipients_are_named(
    key: str, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = vault.root / "other"
    if key == "another":
        await process.run([await require_tool("age-keygen", show), "-o", other])
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(other))
    with pytest.raises(RefusedError, match="no key here opens") as caught:
        await decrypt(vault.sops, vault.content, FILE)
    assert caught.value.where == FILE
    assert f"Its keys are those of: {vault.recipient}." in caught.value.hint


def change_a_value(text: str) -> str:
    return re.sub(r"(cookieSecret: ENC\[AES256_GCM,data:)..", r"\1AA", text)


def remove_a_value(text: str) -> str:
    return re.sub(r" +cookieSecret: .*\n", "", text)


def add_in_plain(text: str) -> str:
    return text.replace("    hub:\n", f"    hub:\n        baseUrl: {CANARY}\n")


@pytest.mark.parametrize("change", [change_a_value, remove_a_value, add_in_plain])
async def test_what_was_changed_by_hand_is_refused(change: object, vault: Vault) -> None:
    changed: str = change(vault.content.decode())  # type: ignore[operator]
    assert changed.encode() != vault.content
    with pytest.raises(RepositoryError, match="changed after it was encrypted") as caught:
        await decrypt(vault.sops, changed.encode(), FILE)
    assert CANARY not in str(caught.value)


async def test_other_failures_are_those_of_the_program(vault: Vault) -> None:
    with pytest.raises(ProgramError, match="exit code"):
        await decrypt(vault.sops, b"a: 1\n", FILE)
