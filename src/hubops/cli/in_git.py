"""What git has, whatever lies in the work tree: git-crypt opens files, people encrypt and mend them late."""

import asyncio
from pathlib import Path

from hubops.clients.git import Git
from hubops.desired.model import InGit
from hubops.desired.secret_files import ENCRYPTED_MARKS

_SECRETS = "secrets"
# What may lie beside secrets and is none.
_NO_SECRETS = ("readme", ".git")
_VALUES = (":(glob)hub-charts/*/values*.yaml", ":(glob)values/**/*.yaml")


async def read_in_git(root: Path) -> InGit:
    """What was committed or staged; nothing where there is no git.

    Raises:
        ProgramError: git cannot read the repository.
    """
    if not any((directory / ".git").exists() for directory in (root.resolve(), *root.resolve().parents)):
        return InGit()
    git = Git(root)
    found, values = await asyncio.gather(
        git.files_without(ENCRYPTED_MARKS, _SECRETS), git.texts_before(*_VALUES)
    )
    plain = (name for name in found if not name.rsplit("/", 1)[-1].lower().startswith(_NO_SECRETS))
    return InGit(tuple(plain), tuple(values))
