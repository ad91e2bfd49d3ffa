"""What is wrong when sops fails: told by its exit code and, where that says too little, by its words."""

from typing import Any

from hubops.clients.process import Finished
from hubops.errors import HubopsError, ProgramError, RefusedError, RepositoryError

METADATA = "sops"
# sops' exit codes (cmd/sops/codes).
UNCHANGED = 200
NO_KEY = 128
_TAMPERED = {
    25: "a value is not as sops encrypted it",
    51: "the sum over all values (MAC) is another",
    52: "the sum over all values (MAC) is missing",
}
_RECIPIENTS = ("recipient", "arn", "resource_id", "key_id", "fp", "vault_url", "vault_address")
_AGE = ("age1", "ssh-")  # what age takes for a recipient
_ADD = "hubops secrets add-person NAME RECIPIENT"


class LockedError(RefusedError):
    """There is no key here at all."""


class WrongKeyError(RefusedError):
    """There is a key here, and it is none of the file's."""


class TamperedError(RepositoryError):
    """The file was changed after it was encrypted, without sops."""


def recipients(metadata: Any) -> list[str]:
    """Who can open a file, by its top-level key `sops`: age recipients, key ids of clouds, PGP fingerprints."""
    if isinstance(metadata, list):
        return [name for each in metadata for name in recipients(each)]
    if not isinstance(metadata, dict):
        return []
    own = [str(metadata[key]) for key in _RECIPIENTS if metadata.get(key)]
    return own + [name for value in metadata.values() for name in recipients(value)]


def failure(done: Finished, content: bytes, where: str) -> HubopsError:
    """Why an encrypted file, with that content and of that name, was not opened or changed."""
    if done.code == NO_KEY:
        return _no_key(done.tail, content, where)
    # What sops prints about other failures may quote the file.
    if why := _TAMPERED.get(done.code):
        what = "this was changed after it was encrypted, without sops"
        hint = (
            f"Take back the change (git log shows it), and edit with: sops edit {where}. If nobody changed it, and a "
            "comment stands inside a list: sops 3.13.2 cannot open that, 3.13.1 and 3.13.3 can."
        )
        return TamperedError(what, where=where, why=why, hint=hint)
    return _unexpected(done.code, where)


def _no_key(told: str, content: bytes, where: str) -> RefusedError:
    import yaml  # noqa: PLC0415 - only when it failed

    names = recipients(yaml.safe_load(content)[METADATA])
    who, said = f"they can be opened by: {', '.join(names)}", " ".join(told.replace("|", " ").split())
    if not all(name.startswith(_AGE) for name in names):
        hint = "Log in where the key is kept, or use another of them."
        return RefusedError("no key here opens these secrets", where=where, why=f"{who}\n{told}", hint=hint)
    if "failed to parse" in said:
        what, why = "the key here cannot be read", "an age key is AGE-SECRET-KEY-1 and 58 characters"
        hint = "Correct SOPS_AGE_KEY, or the file that SOPS_AGE_KEY_FILE names."
        return RefusedError(what, where=where, why=why, hint=hint)
    if "any of the recipients" in said:
        what = "the key here is not one for these secrets"
        hint = f"Use the key of one of them, or let one of them add yours: {_ADD}"
        return WrongKeyError(what, where=where, why=who, hint=hint)
    what = "there is no key here for these secrets"
    hint = f"Let SOPS_AGE_KEY_FILE name the file with your age key. Have you none yet, one of them adds you: {_ADD}"
    return LockedError(what, where=where, why=who, hint=hint)


def config_failure(done: Finished, where: str) -> HubopsError:
    """Why a file of that name was not encrypted as .sops.yaml says."""
    if "no matching creation rules" in done.tail or "config file not found" in done.tail:
        what, hint = f".sops.yaml has no rule for {where}", "Add one: its path_regex must match that name."
        return RepositoryError(what, where=".sops.yaml", hint=hint)
    # It is about recipients and rules, which are no secrets.
    return ProgramError(
        "sops cannot encrypt for these recipients", where=where, why=done.tail, hint="See .sops.yaml."
    )


def _unexpected(code: int, where: str) -> ProgramError:
    hint = f"See what it says: sops decrypt {where}"
    return ProgramError(f"sops failed with exit code {code}", where=where, hint=hint)
