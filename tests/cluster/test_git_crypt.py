"""Secrets that the real git-crypt encrypts: read where the clone is unlocked, told where it is locked, never copied."""

import os
import subprocess
from pathlib import Path

import pytest

from cluster.conftest import show
from hubops.cli.secret_source import secrets_of
from hubops.clients.git import Git
from hubops.desired.files import read_secrets
from hubops.desired.model import Cluster, Hub
from hubops.desired.secret_files import SecretState
from hubops.errors import RefusedError
from hubops.local.packages import require_package

CANARY = "canary-4711"
FILE = "secrets/campushub.yaml"


@pytest.fixture
async def clone(tmp_path: Path) -> Path:
    """An unlocked clone; the key is beside it."""
    await require_package("git-crypt", "git-crypt", show)
    root = tmp_path / "clone"
    (root / "secrets").mkdir(parents=True)
    (root / ".gitattributes").write_text("secrets/** filter=git-crypt diff=git-crypt\n")
    (root / FILE).write_text(f"hub: {{services: {{hubops: {{apiToken: {CANARY}}}}}}}\n")
    (root / "README").touch()
    run(
        root,
        "git init -q && git-crypt init && git-crypt export-key ../key && git add -A && git commit -qm one",
    )
    return root


def run(root: Path, script: str) -> None:
    people = {f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["sh", "-ec", script], cwd=root, env={**os.environ, **people}, check=True)


def hub(root: Path) -> Hub:
    cluster, directory = Cluster("campus", context="campus"), root / "hub-charts/campushub"
    return Hub("campushub", directory, "staging", cluster, "", "campushub", "campushub", "/", "", {})


def test_an_unlocked_clone_is_read_and_a_locked_one_told(clone: Path) -> None:
    assert read_secrets(clone, "campushub").state is SecretState.GIT_CRYPT_OPEN
    assert secrets_of(clone, show)(hub(clone))["hub"]["services"]["hubops"]["apiToken"] == CANARY
    run(clone, "git-crypt lock")
    assert read_secrets(clone, "campushub").state is SecretState.GIT_CRYPT_LOCKED
    with pytest.raises(RefusedError, match="the secrets of campushub are locked"):
        secrets_of(clone, show)(hub(clone))
    run(clone, "git-crypt unlock ../key")
    assert read_secrets(clone, "campushub").state is SecretState.GIT_CRYPT_OPEN


async def test_the_files_of_a_commit_come_without_secrets(clone: Path, tmp_path: Path) -> None:
    """git-crypt opens what it encrypts for git archive as well."""
    await Git(clone).export("HEAD", tmp_path / "base")
    assert (tmp_path / "base/README").exists()
    assert not (tmp_path / "base/secrets").exists()
    run(clone, "git archive --output=../all.tar HEAD")
    assert CANARY.encode() in (tmp_path / "all.tar").read_bytes()
