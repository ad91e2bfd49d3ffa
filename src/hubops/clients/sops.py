"""sops: opening encrypted files in memory only, and writing them so that nothing is ever plain outside it."""

import asyncio
import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubops.clients import process
from hubops.clients.sops_failures import NO_KEY, UNCHANGED, config_failure, failure
from hubops.errors import RepositoryError

_REPLACE_LIMIT_S = 60  # clouds may be slow to open a key
# Per hub or cluster, where one job has the keys of several (a CI system, say).
_KEY, _KEY_OF = "SOPS_AGE_KEY", "HUBOPS_AGE_KEY_"
# With one of these in a person's shell sops would encrypt for its value, whatever .sops.yaml says.
_OVERRIDES = {
    "SOPS_AGE_RECIPIENTS",
    "SOPS_PGP_FP",
    "SOPS_KMS_ARN",
    "SOPS_GCP_KMS_IDS",
    "SOPS_AZURE_KEYVAULT_URLS",
    "SOPS_VAULT_URIS",
    "SOPS_HUAWEICLOUD_KMS_IDS",
}


@dataclass(frozen=True)
class Sops:
    """The program, and in `keys` the variables with private keys that it gets beside the person's own."""

    program: Path
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def decrypt(self, content: bytes, where: str) -> dict[str, Any]:
        """The values in an encrypted YAML file; `where` is its name. Nothing is written.

        Raises:
            LockedError: no key is here; names who can open it.
            WrongKeyError: a key is here, but it is none of the file's.
            RefusedError: a key is here and cannot be read, or its service (a cloud's) refuses.
            TamperedError: it was changed by hand after it was encrypted.
            ProgramError: sops failed in another way.
        """
        values: dict[str, Any] = json.loads(await self._decrypt(content, where, "json"))
        return values

    async def decrypt_text(self, content: bytes, where: str) -> str:
        """As `decrypt`, but YAML as a person reads it, with its comments.

        Raises:
            HubopsError: as `decrypt`.
        """
        return await self._decrypt(content, where, "yaml")

    async def encrypt(self, plain: bytes, config: Path, name: str) -> bytes:
        """YAML encrypted for those whom the .sops.yaml at `config` names for the file `name`, beside it.

        Raises:
            RepositoryError: it has no rule for the file.
            ProgramError: sops failed in another way.
        """
        words = ("encrypt", "--filename-override", str(config.parent / name))
        types = ("--input-type", "yaml", "--output-type", "yaml", "/dev/stdin")
        done = await self._attempt(("--config", str(config), *words, *types), plain)
        if done.code != 0:
            raise config_failure(done, name)
        return done.stdout.encode()

    async def set_value(self, file: Path, path: Sequence[str | int], value: str, where: str) -> None:
        """Set one value of the encrypted file.

        Raises:
            HubopsError: as `decrypt`.
        """
        await self._change(("set", "--value-stdin", str(file), _index(path)), file, where, value)

    async def unset(self, file: Path, path: Sequence[str | int], where: str) -> None:
        """Take one value out of the encrypted file.

        Raises:
            HubopsError: as `decrypt`.
        """
        await self._change(("unset", str(file), _index(path)), file, where)

    async def update_keys(self, file: Path, config: Path, where: str) -> None:
        """Encrypt the file's data key for those whom the .sops.yaml at `config` names, and nobody else.

        Raises:
            RepositoryError: it has no rule for the file.
            HubopsError: as `decrypt`.
        """
        content = file.read_bytes()
        done = await self._attempt(("--config", str(config), "updatekeys", "--yes", str(file)))
        if done.code != 0:
            raise failure(done, content, where) if done.code == NO_KEY else config_failure(done, where)

    async def rotate(self, file: Path, where: str) -> None:
        """Encrypt every value with a new data key, for the same recipients.

        Raises:
            HubopsError: as `decrypt`.
        """
        await self._change(("rotate", "--in-place", str(file)), file, where)

    async def replace(self, file: Path, text: Path, where: str) -> None:
        """Let the encrypted file say what the plain one says; what is the same in both stays as it is.

        sops puts a plain copy beside `text` for as long as it works.

        Raises:
            HubopsError: as `decrypt`.
        """
        content = file.read_bytes()
        # For sops the editor is a program that takes the text from there.
        variables = {"SOPS_EDITOR": shlex.join(["cp", str(text)]), "TMPDIR": str(text.parent)}
        try:
            async with asyncio.timeout(_REPLACE_LIMIT_S):
                done = await self._attempt(("edit", str(file)), variables=variables)
        except TimeoutError:
            # It asks the person to edit again, and there is none.
            raise RepositoryError(
                "sops does not take this", where=where, hint="Look at the kinds of values."
            ) from None
        if done.code not in {0, UNCHANGED}:
            raise failure(done, content, where)

    async def _decrypt(self, content: bytes, where: str, form: str) -> str:
        words = ("decrypt", "--input-type", "yaml", "--output-type", form, "/dev/stdin")
        done = await self._attempt(words, content)
        if done.code != 0:
            raise failure(done, content, where)
        return done.stdout

    async def _change(self, words: Sequence[str], file: Path, where: str, value: str | None = None) -> None:
        content = file.read_bytes()
        done = await self._attempt(words, None if value is None else json.dumps(value).encode())
        if done.code != 0:
            raise failure(done, content, where)

    async def _attempt(
        self, words: Sequence[str], stdin: bytes | None = None, variables: Mapping[str, str] | None = None
    ) -> process.Finished:
        env = {name: value for name, value in os.environ.items() if name not in _OVERRIDES}
        keys = {**self.keys, **(variables or {})}
        return await process.attempt([self.program, *words], env=env, keys=keys, stdin=stdin)


def keys_for(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The one private key that opens a hub's file, as sops takes it; `names` are those of the hub and its cluster.

    HUBOPS_AGE_KEY_<NAME> (capitals, _ for -) of the first name that has one, else SOPS_AGE_KEY, else none.
    """
    variables = [*(_KEY_OF + name.upper().replace("-", "_") for name in names), _KEY]
    found = next((environment[name] for name in variables if environment.get(name)), "")
    return {_KEY: found} if found else {}


def _index(path: Sequence[str | int]) -> str:
    return "".join(f"[{json.dumps(part)}]" for part in path)
