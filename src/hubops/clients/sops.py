"""sops: opening an encrypted file, in memory only."""

import json
from pathlib import Path
from typing import Any

from hubops.clients import process
from hubops.errors import ProgramError, RefusedError, RepositoryError

# sops' exit codes (cmd/sops/codes).
_NO_KEY = 128
_TAMPERED = {
    25: "a value is not as sops encrypted it",
    51: "the sum over all values (MAC) is another",
    52: "the sum over all values (MAC) is missing",
}
_DECRYPT = ("--decrypt", "--input-type", "yaml", "--output-type", "json", "/dev/stdin")
_RECIPIENTS = ("recipient", "arn", "resource_id", "fp", "vault_url", "vault_address")


async def decrypt(sops: Path, content: bytes, where: str) -> dict[str, Any]:
    """The values in an encrypted YAML file; `where` is its name. sops finds its keys itself, as in a shell.

    Raises:
        RefusedError: no key for it is here; names the recipients.
        RepositoryError: it was changed by hand after it was encrypted.
        ProgramError: sops failed in another way.
    """
    done = await process.attempt([sops, *_DECRYPT], stdin=content)
    if done.code == 0:
        values: dict[str, Any] = json.loads(done.stdout)
        return values
    if done.code == _NO_KEY:
        hint = _ask(content)
        raise RefusedError("no key here opens these secrets", where=where, why=done.tail, hint=hint)
    # What sops prints about other failures may quote the file.
    if why := _TAMPERED.get(done.code):
        what = "this was changed after it was encrypted, without sops"
        hint = f"Take back the change (git log shows it), and edit with: sops edit {where}"
        raise RepositoryError(what, where=where, why=why, hint=hint)
    hint = f"See what it says: sops decrypt {where}"
    raise ProgramError(f"sops failed with exit code {done.code}", where=where, hint=hint)


def recipients(metadata: Any) -> list[str]:
    """Who can open a file, by its top-level key `sops`: age recipients, key ids of clouds, PGP fingerprints."""
    if isinstance(metadata, list):
        return [name for each in metadata for name in recipients(each)]
    if not isinstance(metadata, dict):
        return []
    own = [str(metadata[key]) for key in _RECIPIENTS if metadata.get(key)]
    return own + [name for value in metadata.values() for name in recipients(value)]


def _ask(content: bytes) -> str:
    import yaml  # noqa: PLC0415 - only when it failed

    names = recipients(yaml.safe_load(content)["sops"])
    return (
        f"Its keys are those of: {', '.join(names)}. Give sops one (SOPS_AGE_KEY_FILE), or ask to be added."
    )
