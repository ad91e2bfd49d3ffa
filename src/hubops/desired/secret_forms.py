"""What is a secret where it stands in clear: by the name of its key, or by its form."""

import re
from collections.abc import Iterator

from hubops.desired.secret_files import METADATA, STAND_IN, is_encrypted, own_values
from hubops.desired.values import leaves
from hubops.desired.yaml import Document, Path

# Keys of JupyterHub, its authenticators and its chart that hold a secret, and names of variables that do.
_KEYS = re.compile(
    r"client_secret|secretToken|cookieSecret|cookie_secret|apiToken|api_token|auth_token|bot_token"
    r"|([a-z]+_)*password|private_key|(aws_)?secret_access_key|shared_secret|secret_key|recaptcha_secret"
    r"|([A-Z0-9]+_)*(SECRET|TOKEN|PASSWORD|API_KEY|ACCESS_KEY|PRIVATE_KEY)"
)
# Forms that only secrets have: a PEM key, tokens of GitHub, Slack and AWS.
_FORMS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_\w{36}|\bgithub_pat_\w{22}|\bxox[abp]-[\w-]{10}|\bAKIA[0-9A-Z]{16}\b"
)
# With one of these sops leaves a part in plain on purpose.
_PARTLY = ("encrypted_regex", "unencrypted_regex", "encrypted_suffix", "encrypted_comment_regex")


def plain_places(document: Document) -> list[str]:
    """Where a file of sops has something in plain that was put in without sops.

    Where sops is told to leave a part in plain, what is a secret all the same.
    """
    metadata = document.value[METADATA]
    is_part = any(key in metadata for key in _PARTLY)
    suffix = metadata.get("unencrypted_suffix") or "_unencrypted"
    return [
        document.place(*path)
        for path, leaf in leaves(own_values(document.value))
        if leaf not in (None, "") and not is_encrypted(leaf)
        if is_secret(path, str(leaf)) or not (is_part or any(str(part).endswith(suffix) for part in path))
    ]


def secrets_in_clear(document: Document) -> Iterator[Path]:
    """Where values have a secret."""
    for path, leaf in leaves(document.value):
        if isinstance(leaf, str) and is_secret(path, leaf):
            yield path


def is_secret(path: Path, leaf: str) -> bool:
    """Whether a text at a path is a secret; a stand-in for one is none."""
    if not path or not leaf or leaf == STAND_IN:
        return False
    # LTI 1.1 has the secret of each platform below the platform's key.
    is_key = (
        _KEYS.fullmatch(str(path[-1]))
        or path[-2:-1] == ("consumers",)
        or path[-2:] == ("CryptKeeper", "keys")
    )
    return bool(is_key or path[-3:-1] == ("CryptKeeper", "keys") or _FORMS.search(leaf))
