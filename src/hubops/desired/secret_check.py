"""A hub's secrets as they lie in the repository: there, encrypted, and with what hubops needs; not opened."""

from collections.abc import Iterable, Iterator

from hubops.desired.files import SecretFile
from hubops.desired.model import Hub
from hubops.desired.probe import SERVICE_NAME
from hubops.desired.schema import dotted
from hubops.desired.secret_files import IMAGES, SecretState
from hubops.desired.secret_forms import plain_places
from hubops.desired.values import find_value, path_below
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError

TOKEN = ("hub", "services", SERVICE_NAME, "apiToken")
_ENCRYPT = "Encrypt it: sops encrypt -i {0}"


def check_secrets(hub: Hub, file: SecretFile) -> Iterator[RepositoryError]:
    """What is wrong with the file; on the local cluster secrets are generated, and there is none to check."""
    if file.state is SecretState.MISSING:
        yield missing(hub, file.name)
    yield from check_encryption(file)
    if file.state in {SecretState.SOPS, SecretState.GIT_CRYPT_OPEN} and not has_token(
        hub, file.document.value
    ):
        yield no_token(hub, file.name)


def check_encryption(file: SecretFile) -> Iterator[RepositoryError]:
    """What of the file is in clear."""
    if file.state is SecretState.PLAIN:
        yield plain(file.name)
    elif file.state is SecretState.SOPS:
        what, why = (
            "this is plain between encrypted values",
            "it was put in without sops, or .sops.yaml leaves it out",
        )
        hint = f"Replace what was there, for it is in git's history; edit with: sops edit {file.name}"
        yield from (
            RepositoryError(what, where=where, why=why, hint=hint, rule="partly-plain-secrets")
            for where in plain_places(file.document)
        )


def missing(hub: Hub, name: str) -> RepositoryError:
    return RepositoryError(
        f"the secrets of {hub.name} are missing",
        where=name,
        why=f"only on the local cluster secrets are generated; {hub.name} is on {hub.cluster.name}",
        hint=f"Make them, encrypted: hubops secrets new {hub.name}",
        rule="missing-secrets",
    )


def plain(name: str) -> RepositoryError:
    return RepositoryError(
        f"the secrets in {name} are plain in git",
        where=name,
        why="neither sops nor git-crypt encrypts it",
        hint=f"{_ENCRYPT.format(name)}; if it was ever pushed, replace every secret in it.",
        rule="plain-secrets",
    )


def no_token(hub: Hub, name: str) -> RepositoryError:
    return RepositoryError(
        f"{name} lacks {dotted(path_below(hub, TOKEN))}",
        where=name,
        why="with this token hubops proves that people can work on the hub",
        hint=f"Make one: hubops secrets rotate {hub.name} {dotted(TOKEN)}",
        rule="missing-token",
    )


def has_token(hub: Hub, values: object) -> bool:
    """Whether values of a file of secrets hold the token of hubops' service."""
    return bool(find_value(values, path_below(hub, TOKEN)))


def no_build_secret(image: str, secret: str, where: str = "") -> RepositoryError:
    """`where` the image's image.yaml names it."""
    name = f"secrets/{IMAGES}.yaml"
    return RepositoryError(
        f"{name} lacks {secret}",
        where=where or name,
        why=f"the build of the image {image} is to read it",
        hint=f"Put it in as a text, encrypted for those whom .sops.yaml names: sops edit {name}",
        rule="build-secret",
    )


def lacking(hub: Hub, name: str, keys: Iterable[Path]) -> RepositoryError:
    return RepositoryError(
        f"{name} lacks {', '.join(dotted(path_below(hub, path)) for path in keys)}",
        where=name,
        why="the hub's chart, or its way to log in, needs it, and no values file has it",
        hint=f"Put it in: hubops secrets edit {hub.name}",
        rule="missing-secret",
    )
