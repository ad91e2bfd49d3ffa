"""Files that sops encrypted, worked on in a copy of the repository's layout, and put back all together."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from hubops.cli.secret_source import locked
from hubops.clients.sops import Sops, keys_for
from hubops.clients.sops_failures import METADATA, recipients
from hubops.desired.files import read_secrets
from hubops.desired.model import Fleet, Hub
from hubops.desired.secret_check import missing, plain
from hubops.desired.secret_files import SecretState, classify, is_locked
from hubops.desired.yaml import parse_yaml
from hubops.errors import RefusedError
from hubops.scaffold.edit import Draft, open_draft, write

_PLACES = ("*", "secrets/**/*", "hub-charts/*/*", "values/**/*")
_KINDS = {".yaml", ".yml", ".json"}


@dataclass(frozen=True)
class Sealed:
    """An encrypted file: its name in the repository, its content, and who can open it."""

    name: str
    content: bytes
    recipients: tuple[str, ...]

    @property
    def owner(self) -> str:
        """The hub that it belongs to, by where it lies."""
        path = PurePath(self.name)
        return path.parts[1] if path.parts[0] == "hub-charts" else path.stem


def find_sealed(root: Path) -> list[Sealed]:
    """Every file of the repository that sops encrypted.

    Raises:
        RepositoryError: one that mentions sops is not YAML.
    """
    files = {
        file for place in _PLACES for file in root.glob(place) if file.suffix in _KINDS and file.is_file()
    }
    texts = {file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(files)}
    return [
        _sealed(name, text)
        for name, text in texts.items()
        if METADATA.encode() in text and _is_sealed(name, text)
    ]


def read_sealed(root: Path, name: str) -> Sealed:
    """The file of that name, which sops encrypted."""
    return _sealed(name, (root / name).read_bytes())


def refuse_local(hub: Hub) -> None:
    """Only off the local cluster a hub has a file of secrets.

    Raises:
        RefusedError: it is on it.
    """
    if hub.cluster.local:
        where, hint = f"hub-charts/{hub.name}/hub.yaml", "Name another cluster there first."
        why = "there secrets are generated, outside git"
        raise RefusedError(f"{hub.name} is on the local cluster", where=where, why=why, hint=hint)


def require_sealed(root: Path, hub: Hub) -> Sealed:
    """The hub's file of secrets.

    Raises:
        RepositoryError: it is missing or plain.
        RefusedError: the hub is on the local cluster, or git-crypt encrypts it, which hubops reads and does not write.
    """
    refuse_local(hub)
    file = read_secrets(root, hub.name)
    match file.state:
        case SecretState.SOPS:
            return _sealed(file.name, file.content)
        case SecretState.GIT_CRYPT_LOCKED:
            raise locked(hub.name, file.name)
        case SecretState.GIT_CRYPT_OPEN:
            what = f"git-crypt encrypts the secrets of {hub.name}"
            hint = "Edit the file as it is. To let hubops do it: take it out of .gitattributes, then encrypt it with sops."
            raise RefusedError(
                what, where=file.name, why="hubops reads such files, and writes those of sops", hint=hint
            )
    raise missing(hub, file.name) if file.state is SecretState.MISSING else plain(file.name)


def sops_for(fleet: Fleet, program: Path, file: Sealed) -> Sops:
    """Sops with the key of the hub that the file belongs to, or of its cluster, where there is one."""
    hub = fleet.hubs.get(file.owner)
    return Sops(program, keys_for((file.owner, hub.cluster.name if hub else ""), os.environ))


@contextmanager
def bench(root: Path, names: Collection[str]) -> Iterator[Path]:
    """The repository once more, with copies of the files of those names and links to all else.

    What is plain never comes here: sops changes encrypted files.
    """
    with tempfile.TemporaryDirectory(prefix="hubops-secrets-") as name:
        _mirror(root, Path(name), [PurePath(each).parts for each in names])
        yield Path(name)


def put_back(root: Path, copies: Path, files: Iterable[Sealed], drafts: Collection[Draft] = ()) -> str:
    """Replace the files by their copies, then write the drafts; nothing before all can be. The drafts' diff.

    Raises:
        RefusedError: a file has changed meanwhile.
    """
    new = {file: (copies / file.name).read_bytes() for file in files}
    _require_unchanged(root, new, drafts)
    _replace({root / file.name: content for file, content in new.items() if content != file.content})
    return write(drafts)


def write_new(root: Path, name: str, content: bytes) -> None:
    """Write a file that is not there yet, complete or not at all."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    _replace({root / name: content})


def _require_unchanged(root: Path, files: Iterable[Sealed], drafts: Iterable[Draft]) -> None:
    changed = [file.name for file in files if (root / file.name).read_bytes() != file.content]
    changed += [draft.name for draft in drafts if open_draft(root, draft.name).before != draft.before]
    if changed:
        hint = "Nothing was written: try again."
        raise RefusedError("the file has changed meanwhile", where=changed[0], hint=hint)


def _replace(contents: Mapping[Path, bytes]) -> None:
    """Write beside each file first: a full disk is met before any of them is replaced."""
    parts: dict[Path, Path] = {}
    try:
        for target, content in contents.items():
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            parts[target] = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(handle, target.stat().st_mode & 0o777 if target.exists() else 0o644)
                file.flush()
                os.fsync(handle)
        for target, part in parts.items():
            part.replace(target)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _mirror(source: Path, target: Path, names: Collection[tuple[str, ...]]) -> None:
    """Copies of the files of those names, which need not be there yet; links to everything beside them."""
    firsts = {parts[0] for parts in names}
    for entry in source.iterdir() if source.is_dir() else ():
        if entry.name not in firsts:
            (target / entry.name).symlink_to(entry.resolve())
        elif entry.is_file():
            shutil.copyfile(entry, target / entry.name)
    for first in firsts:
        if below := [parts[1:] for parts in names if parts[0] == first and parts[1:]]:
            (target / first).mkdir()
            _mirror(source / first, target / first, below)


def _is_sealed(name: str, content: bytes) -> bool:
    return not is_locked(content) and classify(content, parse_yaml(content, name)) is SecretState.SOPS


def _sealed(name: str, content: bytes) -> Sealed:
    value: Mapping[str, Any] = parse_yaml(content, name).value
    return Sealed(name, content, tuple(recipients(value[METADATA])))
