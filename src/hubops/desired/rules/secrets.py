"""Rules about secrets: that they are there, and nowhere in clear."""

import re
from collections.abc import Iterator
from typing import Any

from hubops.desired.files import read_secrets
from hubops.desired.image_files import SETTINGS
from hubops.desired.rules.model import Rule, only
from hubops.desired.rules.views import FleetView, HubView
from hubops.desired.secret_check import TOKEN, check_encryption, check_secrets, lacking, no_build_secret
from hubops.desired.secret_files import IMAGES, STAND_IN, SecretState
from hubops.desired.secret_keys import missing_in
from hubops.desired.values import of_jupyterhub
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError

# Keys of JupyterHub, its authenticators and its chart that hold a secret, and names of variables that do.
_KEYS = re.compile(
    r"client_secret|secretToken|cookieSecret|cookie_secret|apiToken|api_token|auth_token|bot_token"
    r"|([a-z]+_)*password|private_key|(aws_)?secret_access_key|shared_secret|secret_key|recaptcha_secret"
    r"|([A-Z0-9]+_)*(SECRET|TOKEN|PASSWORD|API_KEY|ACCESS_KEY|PRIVATE_KEY)"
)
# Forms that only secrets have: a PEM key, tokens of GitHub, Slack and AWS.
_FORMS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_\w{36}|\bgithub_pat_\w{22}|\bxox[abp]-[\w-]{10}|\bAKIA[0-9A-Z]{16}\b"
)


def _secrets(view: HubView) -> Iterator[RepositoryError]:
    if view.secrets:
        yield from check_secrets(view.hub, view.secrets)


def missing_secret(view: HubView) -> Iterator[RepositoryError]:
    """By the keys of an encrypted file, which lie open; that of the token is a rule of its own."""
    file, states = view.secrets, {SecretState.SOPS, SecretState.GIT_CRYPT_OPEN}
    if file is None or file.state not in states or isinstance(view.given, RepositoryError):
        return
    found = missing_in(view.hub, of_jupyterhub(view.hub, view.given.values))
    if keys := [path for path in found if path != TOKEN]:
        yield lacking(view.hub, file.name, keys)


def secret_in_values(view: HubView) -> Iterator[RepositoryError]:
    """Values lie in git in clear."""
    for document in view.hub.documents:
        for path, leaf in _texts(document.value, ()):
            if _is_secret(path, leaf):
                yield RepositoryError(
                    f"{path[-1]} is a secret in clear",
                    where=document.place(*path),
                    why="values lie in git as they are",
                    hint=f"Move it to secrets/{view.hub.name}.yaml, and replace it: it is in git's history.",
                )


def plain_secrets_in_git(view: FleetView) -> Iterator[RepositoryError]:
    """What git has, whatever lies here: git-crypt opened it, or somebody encrypted it since."""
    for name in view.plain_in_git:
        yield RepositoryError(
            f"git has {name} unencrypted",
            where=name,
            why="what was committed or staged is neither of sops nor of git-crypt, whatever lies here",
            hint="Encrypt and commit it again (git-crypt: git-crypt status -f), and replace every secret in it.",
        )


def build_secret(view: FleetView) -> Iterator[RepositoryError]:
    """By the keys of an encrypted file, which lie open."""
    users = [image for image in view.fleet.images.values() if image.secrets]
    try:
        file = read_secrets(view.fleet.root, IMAGES)
    except RepositoryError as error:
        yield error
        return
    if users:
        yield from check_encryption(file)
    if file.state in {SecretState.PLAIN, SecretState.GIT_CRYPT_LOCKED}:
        return
    known = file.document.value if isinstance(file.document.value, dict) else {}
    for image in users:
        settings = f"{image.directory.relative_to(view.fleet.root).as_posix()}/{SETTINGS}"
        for number, name in enumerate(image.secrets):
            if name not in known:
                yield no_build_secret(image.name, name, view.files.read(settings).place("secrets", number))


def _is_secret(path: Path, leaf: str) -> bool:
    if not leaf or leaf == STAND_IN:
        return False
    # LTI 1.1 has the secret of each platform below the platform's key.
    is_key = (
        _KEYS.fullmatch(str(path[-1]))
        or path[-2:-1] == ("consumers",)
        or path[-2:] == ("CryptKeeper", "keys")
    )
    return bool(is_key or path[-3:-1] == ("CryptKeeper", "keys") or _FORMS.search(leaf))


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _texts(item, (*path, key))


_ABOUT = {
    "missing-secrets": "A hub off the local cluster has no file of secrets.",
    "plain-secrets": "A file of secrets is not encrypted.",
    "partly-plain-secrets": "A file of secrets has something in clear between what is encrypted.",
    "missing-token": "A file of secrets lacks the token with which hubops proves the hub.",
}
RULES = (
    *(Rule(name, about, only(name, _secrets)) for name, about in _ABOUT.items()),
    Rule(
        "missing-secret", "A file of secrets lacks what the hub's chart or its login needs.", missing_secret
    ),
    Rule("secret-in-values", "A secret stands in clear in values.", secret_in_values),
)
OF_FLEET = (
    Rule("plain-secrets-in-git", "Git has a file of secrets unencrypted.", plain_secrets_in_git),
    Rule(
        "build-secret",
        "secrets/images.yaml lacks what the build of an image is to read, or is not encrypted.",
        build_secret,
    ),
)
