"""Opening secrets with the real sops and age: what is wrong is told apart, and no value shows."""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fast.vault import Key, encrypt, ignore, make_key
from hubops.cli.secret_source import build_secrets_of, people_of, secrets_of
from hubops.clients import process
from hubops.clients.sops import Sops, keys_for
from hubops.clients.sops_failures import LockedError, TamperedError, WrongKeyError
from hubops.desired.model import Cluster, Hub, Image, People
from hubops.desired.people import with_people
from hubops.desired.repository import load_fleet
from hubops.desired.secret_files import SecretState, classify
from hubops.desired.yaml import parse_yaml
from hubops.errors import ProgramError, RefusedError, RepositoryError
from hubops.local.toolchain import require_tool
from hubops.secret import Secret

GOOD = Path(__file__).parent / "repositories" / "good"
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
    sops: Sops
    key: Key

    @property
    def content(self) -> bytes:
        return (self.root / FILE).read_bytes()


@pytest.fixture
async def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    key = await make_key(tmp_path / "key")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key.file))
    monkeypatch.delenv("SOPS_AGE_KEY", raising=False)
    (tmp_path / "secrets").mkdir()
    (tmp_path / FILE).write_bytes(await encrypt(PLAIN, key.recipient))
    return Vault(tmp_path, Sops(await require_tool("sops", ignore)), key)


async def test_what_sops_wrote_is_opened_with_its_types(vault: Vault) -> None:
    assert classify(vault.content, parse_yaml(vault.content, FILE)) is SecretState.SOPS
    assert CANARY.encode() not in vault.content
    assert await vault.sops.decrypt(vault.content, FILE) == {
        "jupyterhub": {
            "hub": {
                "services": {"hubops": {"apiToken": CANARY}},
                "cookieSecret": "0604373",
                "concurrentSpawnLimit": 5,
                "allowNamedServers": True,
            }
        }
    }


async def test_a_build_gets_what_its_image_names(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    file = vault.root / "secrets/images.yaml"
    image = Image("earth", vault.root / "user-images/earth", secrets=("index-token",))
    with pytest.raises(
        RepositoryError, match=r"images.yaml lacks index-token\n(.*\n)*.*the image earth is to"
    ):
        await build_secrets_of(ignore)(image)
    file.write_bytes(await encrypt(f"index-token: {CANARY}\nnumber: 5\n", vault.key.recipient))
    secrets = build_secrets_of(ignore)
    assert await secrets(image) == {"index-token": Secret(CANARY)}
    with pytest.raises(RepositoryError, match=r"lacks number\n(.*\n)*.*as a text"):
        await secrets(replace(image, secrets=("index-token", "number")))
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(vault.root / "none"))
    assert await secrets(image) == {"index-token": Secret(CANARY)}  # it was opened once
    with pytest.raises(LockedError, match="no key here"):
        await build_secrets_of(ignore)(image)
    monkeypatch.setenv("HUBOPS_AGE_KEY_IMAGES", vault.key.file.read_text())
    assert await build_secrets_of(ignore)(image) == {"index-token": Secret(CANARY)}
    file.write_text(f"index-token: {CANARY}\n")
    with pytest.raises(RepositoryError, match="plain in git") as caught:
        await build_secrets_of(ignore)(image)
    assert CANARY not in str(caught.value)


async def test_a_deploy_gets_the_part_of_its_chart_and_opens_it_once(vault: Vault) -> None:
    directory = vault.root / "hub-charts/campushub"
    cluster = Cluster("campus", context="campus")
    hub = Hub("campushub", directory, "staging", cluster, "", "campushub", "campushub", "/", "jupyterhub", {})
    secrets = secrets_of(vault.root, ignore)
    assert secrets(hub)["hub"]["services"]["hubops"]["apiToken"] == CANARY
    (vault.root / FILE).unlink()
    assert secrets(hub)["hub"]["cookieSecret"] == "0604373"


KEYS = {
    "none": ({}, LockedError, "there is no key here"),
    "another": ({"SOPS_AGE_KEY_FILE": "other"}, WrongKeyError, "the key here is not one"),
    "no file": ({"SOPS_AGE_KEY_FILE": "missing"}, LockedError, "there is no key here"),
    "an empty file": ({"SOPS_AGE_KEY_FILE": "empty"}, LockedError, "there is no key here"),
    "no key": ({"SOPS_AGE_KEY": f"AGE-SECRET-KEY-1{CANARY}"}, RefusedError, "the key here cannot be read"),
}


@pytest.mark.parametrize(("variables", "kind", "what"), KEYS.values(), ids=KEYS.keys())
async def test_without_its_key_the_recipients_are_named(
    variables: dict[str, str],
    kind: type[RefusedError],
    what: str,
    vault: Vault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await make_key(vault.root / "other")
    (vault.root / "empty").touch()
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    monkeypatch.chdir(vault.root)
    sops = Sops(
        vault.sops.program, {"HOME": str(vault.root), "XDG_CONFIG_HOME": str(vault.root), **variables}
    )
    with pytest.raises(RefusedError, match=what) as caught:
        await sops.decrypt(vault.content, FILE)
    assert type(caught.value) is kind
    assert caught.value.where == FILE
    assert vault.key.recipient in str(caught.value) or "cannot be read" in what
    assert "AGE-SECRET-KEY-1" not in str(caught.value).replace("AGE-SECRET-KEY-1 and", "")


async def test_a_file_for_a_cloud_says_what_the_cloud_says(vault: Vault) -> None:
    """Sops goes through every recipient that it knows; hubops needs to know none of them."""
    arn = "arn:aws:kms:us-east-1:0:key/0"
    other = f"sops:\n    kms:\n        - arn: {arn}\n          created_at: '2026-01-01T00:00:00Z'\n          enc: AAAA\n"
    content = re.sub(
        rb"sops:\n    age:(\n +.*)+?\n    lastmod", other.encode() + b"    lastmod", vault.content
    )
    with pytest.raises(RefusedError, match="no key here opens these secrets") as caught:
        await Sops(vault.sops.program, {"AWS_EC2_METADATA_DISABLED": "true"}).decrypt(content, FILE)
    assert arn in caught.value.why


async def test_the_key_of_a_hub_or_its_cluster_is_the_only_one_sops_gets(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = vault.key.file.read_text().splitlines()[-1]
    known = {"HUBOPS_AGE_KEY_CAMPUS_2": ours, "HUBOPS_AGE_KEY_OTHER": "x", "SOPS_AGE_KEY": "all"}
    assert keys_for(("course", "campus-2"), known) == {"SOPS_AGE_KEY": ours}
    assert keys_for(("other", "campus-2"), known) == {"SOPS_AGE_KEY": "x"}
    assert keys_for(("new", "cluster"), known) == {"SOPS_AGE_KEY": "all"}
    assert keys_for(("new", "cluster"), {}) == {}
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    assert await Sops(vault.sops.program, keys_for(("a", "campus-2"), known)).decrypt(vault.content, FILE)
    environment = (await process.attempt(["env"], keys={"SOPS_AGE_KEY": ours})).stdout
    assert [line for line in environment.splitlines() if "AGE_KEY" in line] == [f"SOPS_AGE_KEY={ours}"]


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
    with pytest.raises(TamperedError, match="changed after it was encrypted") as caught:
        await vault.sops.decrypt(changed.encode(), FILE)
    assert CANARY not in str(caught.value)


async def test_other_failures_are_those_of_the_program(vault: Vault) -> None:
    with pytest.raises(ProgramError, match="exit code"):
        await vault.sops.decrypt(b"a: 1\n", FILE)


async def test_people_are_opened_in_memory_and_never_taken_for_ciphers(vault: Vault) -> None:
    file = vault.root / "hub-charts/course/people.yaml"
    shutil.copytree(GOOD, vault.root, dirs_exist_ok=True)
    file.write_bytes(await encrypt("admins: [teacher]\nallowed: [canary]\n", vault.key.recipient))
    hub = load_fleet(vault.root).hubs["course"]
    assert hub.people.encrypted
    assert "canary" not in str(hub.people)
    with pytest.raises(RepositoryError, match="the people of course are encrypted"):
        with_people(hub, {})
    people = people_of(vault.root, ignore)(hub)
    assert people == People(("teacher",), ("canary",), decides_admins=True, encrypted=True)
    assert b"canary" not in b"".join(f.read_bytes() for f in vault.root.rglob("*") if f.is_file())
