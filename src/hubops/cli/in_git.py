"""What git has of the secrets, whatever lies in the work tree: git-crypt opens files, people encrypt them late."""

from pathlib import Path

from hubops.clients.git import Git
from hubops.desired.secret_files import ENCRYPTED_MARKS

_SECRETS = "secrets"
# What may lie beside secrets and is none.
_NO_SECRETS = (".md", ".txt", ".pub", ".gitattributes", ".gitignore", ".gitkeep")


async def read_plain_in_git(root: Path) -> tuple[str, ...]:
    """The files below secrets/ that were committed or staged unencrypted; none where there is no git.

    Raises:
        ProgramError: git cannot read the repository.
    """
    if not any((directory / ".git").exists() for directory in (root.resolve(), *root.resolve().parents)):
        return ()
    found = await Git(root).files_without(ENCRYPTED_MARKS, _SECRETS)
    return tuple(name for name in found if not name.endswith(_NO_SECRETS))
