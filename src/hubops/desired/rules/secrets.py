"""Rules about secrets: that they are there, and nowhere in clear."""

from collections.abc import Iterator

from hubops.desired.files import read_secrets
from hubops.desired.image_files import SETTINGS
from hubops.desired.rules.model import Rule, only
from hubops.desired.rules.views import FleetView, HubView
from hubops.desired.secret_check import TOKEN, check_encryption, check_secrets, lacking, no_build_secret
from hubops.desired.secret_files import IMAGES, SecretState
from hubops.desired.secret_forms import secrets_in_clear
from hubops.desired.secret_keys import missing_in
from hubops.desired.values import of_jupyterhub
from hubops.desired.yaml import parse_yaml
from hubops.errors import RepositoryError


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
        for path in secrets_in_clear(document):
            yield RepositoryError(
                f"{path[-1]} is a secret in clear",
                where=document.place(*path),
                why="values lie in git as they are",
                hint=f"Move it to secrets/{view.hub.name}.yaml, and replace it: it is in git's history.",
            )


def plain_secrets_in_git(view: FleetView) -> Iterator[RepositoryError]:
    """What git has, whatever lies here: git-crypt opened it, or somebody encrypted it since."""
    for name in view.in_git.plain:
        yield RepositoryError(
            f"git has {name} unencrypted",
            where=name,
            why="what was committed or staged is neither of sops nor of git-crypt, whatever lies here",
            hint="Encrypt and commit it again (git-crypt: git-crypt status -f), and replace every secret in it.",
        )


def secret_in_git(view: FleetView) -> Iterator[RepositoryError]:
    """In values that were mended here since they were committed or staged."""
    for name, text in view.in_git.values:
        try:
            document = parse_yaml(text, name)
        except RepositoryError:
            continue  # no hub was ever deployed with it
        here = {*secrets_in_clear(view.files.read(name))}
        for path in (each for each in secrets_in_clear(document) if each not in here):
            yield RepositoryError(
                f"git has {path[-1]} in clear",
                where=document.place(*path),
                why="it stands there in what was committed or staged, whatever lies here",
                hint="Stage the mended file, and replace the secret: once it was committed it is in git's history.",
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
        settings = view.file_of(image, SETTINGS)
        for number, name in enumerate(image.secrets):
            if name not in known:
                yield no_build_secret(image.name, name, view.files.read(settings).place("secrets", number))


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
    Rule("secret-in-git", "Git has a secret in clear in values, whatever lies here.", secret_in_git),
    Rule(
        "build-secret",
        "secrets/images.yaml lacks what the build of an image is to read, or is not encrypted.",
        build_secret,
    ),
)
