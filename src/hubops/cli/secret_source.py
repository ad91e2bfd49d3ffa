"""Where secrets come from: a hub's off the local cluster, and those of builds. Files here, opened in memory only."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hubops.clients.sops import Sops, keys_for
from hubops.clients.sops_failures import LockedError
from hubops.desired.files import SecretFile, read_secrets
from hubops.desired.model import Hub, Image, People, Values
from hubops.desired.people import opened_people
from hubops.desired.secret_check import has_token, missing, no_build_secret, no_token, plain
from hubops.desired.secret_files import IMAGES, SecretState
from hubops.errors import RepositoryError
from hubops.events import Emit
from hubops.local.toolchain import require_tool
from hubops.secret import Secret


def secrets_of(root: Path, emit: Emit) -> Callable[[Hub], Values]:
    """Gives the secrets of a hub as values of JupyterHub's chart; each hub's file is opened once, when asked for.

    Raises (when called):
        RepositoryError: the file is missing, plain in git, changed by hand, or not as hubops needs it.
        RefusedError: it is locked: by git-crypt, or sops has no key for it here.
    """
    opened: dict[str, Values] = {}

    def secrets(hub: Hub) -> Values:
        if hub.name not in opened:
            opened[hub.name] = _own_part(hub, _open(hub, read_secrets(root, hub.name), emit))
        return opened[hub.name]

    return secrets


def people_of(root: Path, emit: Emit) -> Callable[[Hub], People]:
    """Gives the people of a hub; a people.yaml that sops encrypted is opened in memory, when asked for.

    Raises (when called):
        HubopsError: as `secrets_of`.
    """
    opened: dict[str, People] = {}

    def people(hub: Hub) -> People:
        if not hub.people.encrypted:
            return hub.people
        if hub.name not in opened:
            name = f"hub-charts/{hub.name}/people.yaml"
            values = _at_once(_decrypt(hub, (root / name).read_bytes(), name, emit))
            opened[hub.name] = opened_people(values, name)
        return opened[hub.name]

    return people


def build_secrets_of(emit: Emit) -> Callable[[Image], Awaitable[Mapping[str, Secret]]]:
    """Gives what an image's build may read, of secrets/images.yaml; that is opened once, when asked for.

    Raises (when called):
        RepositoryError: it is missing, plain in git, changed by hand, or lacks one.
        RefusedError: it is locked: by git-crypt, or sops has no key for it here.
    """
    opened: dict[Path, Values] = {}
    alone = asyncio.Lock()

    async def secrets(image: Image) -> Mapping[str, Secret]:
        root = image.directory.parents[1]
        async with alone:
            if root not in opened:
                opened[root] = await _open_build_secrets(read_secrets(root, IMAGES), emit)
        found = {name: opened[root].get(name) for name in image.secrets}
        for name, value in found.items():
            if not isinstance(value, str):
                raise no_build_secret(image.name, name)
        return {name: Secret(str(value)) for name, value in found.items()}

    return secrets


async def _open_build_secrets(file: SecretFile, emit: Emit) -> Values:
    values = file.document.value  # of one that is missing nothing
    if file.state is SecretState.SOPS:
        sops = Sops(await require_tool("sops", emit), keys_for((IMAGES,), os.environ))
        values = await sops.decrypt(file.content, file.name)
    elif file.state is SecretState.GIT_CRYPT_LOCKED:
        raise locked(IMAGES, file.name)
    elif file.state is SecretState.PLAIN:
        raise plain(file.name)
    return values if isinstance(values, dict) else {}


def _open(hub: Hub, file: SecretFile, emit: Emit) -> Any:
    if file.state is SecretState.SOPS:
        return _at_once(_decrypt(hub, file.content, file.name, emit))
    if file.state is SecretState.GIT_CRYPT_OPEN:
        return file.document.value
    if file.state is SecretState.GIT_CRYPT_LOCKED:
        raise locked(hub.name, file.name)
    raise missing(hub, file.name) if file.state is SecretState.MISSING else plain(file.name)


def _at_once(work: Coroutine[Any, Any, Values]) -> Values:
    """Asked for in the midst of a running loop, which has nothing to do before the answer."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _decrypt(hub: Hub, content: bytes, name: str, emit: Emit) -> Values:
    return await (await require_sops(hub, emit)).decrypt(content, name)


async def require_sops(hub: Hub, emit: Emit) -> Sops:
    """Sops with the key of the hub or of its cluster, where there is one.

    Raises:
        MachineError: sops cannot be had.
    """
    return Sops(await require_tool("sops", emit), keys_for((hub.name, hub.cluster.name), os.environ))


def locked(whose: str, name: str) -> LockedError:
    """What git-crypt encrypts, in a clone that was not unlocked."""
    return LockedError(
        f"the secrets of {whose} are locked",
        where=name,
        why="git-crypt encrypts them, and this clone was not unlocked",
        hint="Unlock it: git-crypt unlock (in CI with the key file: git-crypt unlock FILE).",
    )


def _own_part(hub: Hub, values: Any) -> Values:
    """The part of the file that JupyterHub's chart gets; helm would take the file as it is."""
    if not has_token(hub, values):
        raise no_token(hub, f"secrets/{hub.name}.yaml")
    others = sorted(set(values) - {hub.prefix}) if hub.prefix else []
    if others:
        raise RepositoryError(
            f"the secrets of {hub.name} hold {', '.join(others)}",
            where=f"secrets/{hub.name}.yaml",
            why=f"only those of JupyterHub's chart, below {hub.prefix}, are deployed",
            hint=f"Take them out: hubops secrets edit {hub.name}",
        )
    own: Values = values[hub.prefix] if hub.prefix else values
    return own
