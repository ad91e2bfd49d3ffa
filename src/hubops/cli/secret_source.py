"""Where a hub's secrets come from off the local cluster: its file in the repository, opened in memory only."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hubops.clients.sops import Sops, keys_for
from hubops.desired.files import SecretFile, read_secrets
from hubops.desired.model import Hub, People, Values
from hubops.desired.people import opened_people
from hubops.desired.secret_check import has_token, missing, no_token, plain
from hubops.desired.secret_files import SecretState
from hubops.errors import RefusedError, RepositoryError
from hubops.events import Emit
from hubops.local.toolchain import require_tool


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


def _open(hub: Hub, file: SecretFile, emit: Emit) -> Any:
    if file.state is SecretState.SOPS:
        return _at_once(_decrypt(hub, file.content, file.name, emit))
    if file.state is SecretState.GIT_CRYPT_OPEN:
        return file.document.value
    if file.state is SecretState.GIT_CRYPT_LOCKED:
        raise locked(hub, file.name)
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


def locked(hub: Hub, name: str) -> RefusedError:
    """What git-crypt encrypts, in a clone that was not unlocked."""
    return RefusedError(
        f"the secrets of {hub.name} are locked",
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
