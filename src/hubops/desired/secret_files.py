"""secrets/<hub>.yaml as it lies in the repository: whether it is encrypted, told without opening it."""

import re
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from hubops.desired.model import Values
from hubops.desired.values import leaves
from hubops.desired.yaml import Document

_GIT_CRYPT = b"\0GITCRYPT\0"
METADATA = "sops"
_ENCRYPTED = re.compile(r"ENC\[.*,type:(\w+)\]", re.DOTALL)
# secrets/images.yaml is not a hub's: it has what builds of images may read.
IMAGES = "images"
# One of these is in every file that git-crypt or sops encrypted, whatever its kind.
ENCRYPTED_MARKS = ("GITCRYPT", "ENC[AES256_GCM,")
STAND_IN = "0" * 64  # hexadecimal, and as long as any secret must be
_STAND_INS: Values = {"str": STAND_IN, "int": 1, "float": 1.5, "bool": True}


class SecretState(Enum):
    """What a file of secrets is; GIT_CRYPT_OPEN is plain here and encrypted in git."""

    MISSING = "missing"
    PLAIN = "plain"
    SOPS = "sops"
    GIT_CRYPT_LOCKED = "locked by git-crypt"
    GIT_CRYPT_OPEN = "opened by git-crypt"


def is_locked(content: bytes) -> bool:
    """Whether git-crypt encrypts a file and this clone was not unlocked."""
    return content.startswith(_GIT_CRYPT)


def classify(content: bytes | None, document: Document, attributes: str = "") -> SecretState:
    """What a file is, by its bytes (None where there is none), its YAML and the text of .gitattributes."""
    if content is None:
        return SecretState.MISSING
    if is_locked(content):
        return SecretState.GIT_CRYPT_LOCKED
    value = document.value
    metadata = value.get(METADATA) if isinstance(value, dict) else None
    # Who puts decrypted values back beside the metadata has nothing encrypted.
    if isinstance(metadata, dict) and any(is_encrypted(leaf) for _, leaf in leaves(own_values(value))):
        return SecretState.SOPS
    return SecretState.GIT_CRYPT_OPEN if _is_git_crypt(document.file, attributes) else SecretState.PLAIN


def with_stand_ins(value: Any) -> Any:
    """The content of a file of secrets, with a stand-in of the same type for each value."""
    if isinstance(value, dict):
        return {key: with_stand_ins(item) for key, item in value.items() if key != METADATA}
    if isinstance(value, list):
        return [with_stand_ins(item) for item in value]
    match = _ENCRYPTED.fullmatch(value) if isinstance(value, str) else None
    return value and _STAND_INS.get(match[1] if match else type(value).__name__, STAND_IN)


def own_values(value: Values) -> Values:
    """What a file of secrets holds, without what sops adds."""
    return {key: item for key, item in value.items() if key != METADATA}


def is_encrypted(leaf: Any) -> bool:
    """Whether sops encrypted a value."""
    return isinstance(leaf, str) and _ENCRYPTED.fullmatch(leaf) is not None


def _is_git_crypt(file: str, attributes: str) -> bool:
    """Whether the last line of .gitattributes that sets a filter for the file sets git-crypt's."""
    found = ""
    for pattern, *words in (line.split() for line in attributes.splitlines() if line.strip()):
        name = file if "/" in pattern else file.rsplit("/", 1)[-1]
        filters = [word for word in words if word.lstrip("-!").split("=")[0] == "filter"]
        if filters and fnmatchcase(name, pattern.lstrip("/")):
            found = filters[-1]
    return found == "filter=git-crypt"
