"""Secrets as they lie in the repository: what they are is told without opening them, and nothing shows a value."""

import shutil
from pathlib import Path

import pytest

from hubops.cli.secret_source import secrets_of
from hubops.desired.model import Findings, Problem
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.desired.secret_files import SecretState, classify, is_locked
from hubops.desired.yaml import Document, parse_yaml
from hubops.errors import HubopsError, RefusedError, RepositoryError

PROJECT = Path(__file__).parents[2]
CANARY = "canary-4711"
ENC = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:{}]"
FILE = "secrets/campushub.yaml"
LOCKED = b"\0GITCRYPT\0\x01\x02"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A hub on a cluster that is not the local one."""
    for name in ("values", "charts/jupyterhub"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("templates", "files"))
    shutil.copytree(PROJECT / "hub-charts/staginghub", tmp_path / "hub-charts/campushub")
    (tmp_path / "hub-charts/campushub/hub.yaml").write_text("stage: staging\ncluster: campus\nimage: earth\n")
    chart = tmp_path / "hub-charts/campushub/Chart.yaml"
    chart.write_text(chart.read_text().replace("staginghub", "campushub"))
    (tmp_path / "hubops.yaml").write_text("clusters: {campus: {kubeconfig-context: campus}}\n")
    for name in ("user-images/earth", "images/hub", "images/proxy"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / FILE).write_text(encrypted())
    return tmp_path


def encrypted(more: str = "", metadata: str = "version: 3.13.2", login: str = "") -> str:
    """As sops leaves a file: keys and types are to be seen. `more` begins in line 7."""
    text = ENC.format("str")
    return f"""jupyterhub:
  proxy: {{secretToken: "{text}"}}
  hub:
    services: {{hubops: {{apiToken: "{text}"}}}}
    cookieSecret: "{text}"
    config: {{{login}CryptKeeper: {{keys: ["{text}"]}}}}
{more}
sops: {{mac: "{text}", {metadata}}}
"""


def only(findings: Findings) -> Problem:
    assert len(findings.problems) == 1, findings.problems
    return findings.problems[0]


STATES = {
    "missing": (None, "", SecretState.MISSING),
    "plain": (b"a: 1\n", "", SecretState.PLAIN),
    "empty": (b"", "", SecretState.PLAIN),
    "sops": (encrypted().encode(), "", SecretState.SOPS),
    "decrypted beside its metadata": (b"a: 1\nsops: {mac: x}\n", "", SecretState.PLAIN),
    "a key that is only called sops": (b"sops: 1\n", "", SecretState.PLAIN),
    "git-crypt": (LOCKED, "", SecretState.GIT_CRYPT_LOCKED),
    "git-crypt, open": (b"a: 1\n", "secrets/** filter=git-crypt diff=git-crypt\n", SecretState.GIT_CRYPT_OPEN),
    "by its name": (b"a: 1\n", "*.yaml filter=git-crypt\n", SecretState.GIT_CRYPT_OPEN),
    "of other files": (b"a: 1\n", "keys/** filter=git-crypt\n", SecretState.PLAIN),
    "an exception": (b"a: 1\n", "*.yaml filter=git-crypt\nsecrets/campushub.yaml !filter\n", SecretState.PLAIN),
}  # fmt: skip


@pytest.mark.parametrize(("content", "attributes", "state"), STATES.values(), ids=STATES.keys())
def test_what_a_file_is(content: bytes | None, attributes: str, state: SecretState) -> None:
    is_open = content is not None and not is_locked(content)
    document = parse_yaml(content or b"", FILE) if is_open else Document(FILE, {}, {})
    assert classify(content, document, attributes) is state


def test_encrypted_secrets_are_no_problem(repository: Path) -> None:
    assert find_problems(repository) == Findings()
    (repository / FILE).write_bytes(LOCKED)
    assert find_problems(repository) == Findings()


def test_missing_secrets_are_named(repository: Path) -> None:
    (repository / FILE).unlink()
    found = only(find_problems(repository))
    assert (found.what, found.where) == ("the secrets of campushub are missing", FILE)
    assert "campushub is on campus" in found.why
    assert "hubops secrets new campushub" in found.hint


def test_secrets_in_plain_are_named(repository: Path) -> None:
    (repository / FILE).write_text(f"jupyterhub: {{proxy: {{secretToken: {CANARY}}}}}\n")
    found = only(find_problems(repository))
    assert found.what == f"the secrets in {FILE} are plain in git"
    assert "replace every secret in it" in found.hint
    assert CANARY not in str(found)


def test_one_secret_in_plain_between_encrypted_ones_has_its_place(repository: Path) -> None:
    login = f"GitHubOAuthenticator: {{client_secret: {CANARY}, x_unencrypted: {{a: fine, client_secret: {CANARY}}}, y: '', z: }}, "
    (repository / FILE).write_text(encrypted(login=login))
    found = find_problems(repository).problems
    assert {each.what for each in found} == {"this is plain between encrypted values"}
    assert [each.where for each in found] == [f"{FILE}:6:37", f"{FILE}:6:90"]
    assert CANARY not in str(found)


def test_sops_may_leave_a_part_in_plain_but_no_secret(repository: Path) -> None:
    metadata = "encrypted_regex: ^secretToken$"
    login = f"GitHubOAuthenticator: {{client_id: {CANARY}, allowed_organizations: [school]}}, "
    (repository / FILE).write_text(encrypted(metadata=metadata, login=login))
    assert find_problems(repository) == Findings()
    login = f"GitHubOAuthenticator: {{client_id: a, client_secret: {CANARY}}}, LTI: {{shared_secret: 4711}}, "
    (repository / FILE).write_text(encrypted(metadata=metadata, login=login))
    found = find_problems(repository).problems
    assert {(each.rule, each.where) for each in found} == {
        ("partly-plain-secrets", f"{FILE}:6:51"),
        ("partly-plain-secrets", f"{FILE}:6:86"),
    }
    assert CANARY not in str(found)


def test_secrets_without_hubops_token_are_named(repository: Path) -> None:
    (repository / FILE).write_text(encrypted().replace("apiToken", "apiTokn"))
    found = only(find_problems(repository))
    assert found.what == f"{FILE} lacks jupyterhub.hub.services.hubops.apiToken"
    assert "hubops secrets rotate campushub hub.services.hubops.apiToken" in found.hint


@pytest.mark.parametrize("opened", [False, True])
def test_secrets_are_held_against_the_schema_without_being_shown(opened: bool, repository: Path) -> None:
    text = encrypted(
        f'    cokieSecret: "{ENC.format("str")}"\n    concurrentSpawnLimit: "{ENC.format("str")}"'
    )
    if opened:
        text = text.replace(ENC.format("str"), CANARY)
        (repository / ".gitattributes").write_text("secrets/** filter=git-crypt\n")
    (repository / FILE).write_text(text)
    unknown, wrong = sorted(find_problems(repository).problems, key=lambda each: each.where)
    assert (unknown.what, unknown.where) == ("unknown key hub.cokieSecret", f"{FILE}:7:5")
    assert unknown.hint == "Did you mean cookieSecret?"
    assert (wrong.what, wrong.where) == ("hub.concurrentSpawnLimit is of a wrong type", f"{FILE}:8:5")
    assert CANARY not in str((unknown, wrong))


def test_what_locked_secrets_may_hold_is_not_said_to_be_missing(repository: Path) -> None:
    (repository / "values/clusters").mkdir()
    (repository / "values/clusters/campus.yaml").write_text("jupyterhub: {hub: {baseUrl: null}}\n")
    (repository / FILE).write_bytes(LOCKED)
    assert find_problems(repository) == Findings()
    (repository / FILE).write_text(encrypted())
    assert only(find_problems(repository)).what == "hub.baseUrl is missing"


def test_secrets_that_are_not_yaml_are_named(repository: Path) -> None:
    (repository / FILE).write_text("a: [\n")
    assert only(find_problems(repository)).where == f"{FILE}:2:1"


# --- for a deploy

TOKEN = f"jupyterhub: {{hub: {{services: {{hubops: {{apiToken: {CANARY}}}}}}}}}\n"
REFUSED: dict[str, tuple[bytes | None, type[HubopsError], str]] = {
    "missing": (None, RepositoryError, "the secrets of campushub are missing"),
    "plain": (TOKEN.encode(), RepositoryError, "are plain in git"),
    "locked": (LOCKED, RefusedError, "git-crypt unlock"),
}


@pytest.mark.parametrize(("content", "kind", "part"), REFUSED.values(), ids=REFUSED.keys())
def test_a_deploy_is_refused_with_the_reason(
    content: bytes | None, kind: type[HubopsError], part: str, repository: Path
) -> None:
    (repository / FILE).unlink()
    if content is not None:
        (repository / FILE).write_bytes(content)
    hub = load_fleet(repository).require_hub("campushub")
    with pytest.raises(kind) as caught:
        secrets_of(repository, print)(hub)
    assert part in str(caught.value)
    assert caught.value.where == FILE
    assert caught.value.exit_code == 20
    assert CANARY not in str(caught.value)


def test_what_git_crypt_opened_is_deployed(repository: Path) -> None:
    (repository / ".gitattributes").write_text("secrets/** filter=git-crypt\n")
    (repository / FILE).write_text(TOKEN)
    hub = load_fleet(repository).require_hub("campushub")
    assert secrets_of(repository, print)(hub) == {"hub": {"services": {"hubops": {"apiToken": CANARY}}}}
    (repository / FILE).write_text(TOKEN + "other: {}\n")
    with pytest.raises(RepositoryError, match="hold other"):
        secrets_of(repository, print)(hub)
    (repository / FILE).write_text("jupyterhub: {}\n")
    with pytest.raises(RepositoryError, match=r"lacks jupyterhub\.hub\.services\.hubops\.apiToken"):
        secrets_of(repository, print)(hub)
