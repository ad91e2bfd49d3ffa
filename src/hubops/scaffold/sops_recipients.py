"""The recipients in one rule of .sops.yaml, in whichever of sops' forms it is written. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hubops.errors import RepositoryError, UsageError

# What a recipient of each of sops' kinds looks like.
_KINDS = {
    "age": r"age1[0-9a-z]+|ssh-(ed25519|rsa) \S+( .*)?",
    "pgp": r"[0-9A-Fa-f]{40}",
    "kms": r"arn:aws[\w-]*:kms:\S+",
    "gcp_kms": r"projects/\S+/cryptoKeys/\S+",
    "azure_keyvault": r"https://\S+\.vault\.azure\.\S+/keys/\S+",
    "hc_vault_transit_uri": r"https?://\S+/keys/\S+",
    "hckms": r"[a-z0-9-]+:[0-9a-f-]{36}",
}
# In key_groups some kinds are written as a mapping, with this key.
_FIELDS = {"kms": "arn", "gcp_kms": "resource_id", "hckms": "key_id", "azure_keyvault": "vaultUrl"}
_SIMPLE = {"age", "pgp", "kms", "gcp_kms", "hckms"}
Rule = dict[str, Any]


def of_rule(rule: Rule) -> list[str]:
    """Everybody whom a rule names."""
    return [each for holder, kind in _holders(rule) for each in listed(holder[kind])]


def _holders(rule: Rule) -> Iterator[tuple[Rule, str]]:
    """Where a rule has recipients: a mapping and its key. With key_groups sops reads nothing else."""
    for holder in rule.get("key_groups") or [rule]:
        yield from ((holder, kind) for kind in (*_KINDS, "hc_vault") if holder.get(kind))


def listed(found: Any) -> list[str]:
    """Recipients however they are written: one, several with commas, a list, a list of mappings."""
    if isinstance(found, str):
        return [each.strip() for each in found.split(",") if each.strip()]
    if not isinstance(found, list):
        return []
    return [text for each in found if (text := _text(each))]


def _text(recipient: Any) -> str:
    if isinstance(recipient, Mapping):
        return next((str(recipient[field]) for field in _FIELDS.values() if recipient.get(field)), "")
    return str(recipient).strip()


def add(rule: Rule, recipient: str) -> None:
    """Name one more in the rule, in the form that it has.

    Raises:
        UsageError: it is no recipient.
        RepositoryError: the rule is written in a way that only a person can change.
    """
    kind = kind_of(recipient)
    groups = rule.get("key_groups")
    if groups and (len(groups) > 1 or kind not in _SIMPLE):
        hint = "Add it by hand, then: sops updatekeys secrets/<hub>.yaml"
        raise RepositoryError(
            "only a person can tell where the recipient goes", where=".sops.yaml: key_groups", hint=hint
        )
    holder = groups[0] if groups else rule
    found = holder.get(kind)
    if isinstance(found, str) and found:
        holder[kind] = ",".join([*listed(found), recipient])
    elif found or groups:
        item = {_FIELDS[kind]: recipient} if groups and kind in _FIELDS else recipient
        holder[kind] = [*(found or []), item]
    else:
        holder[kind] = [recipient] if kind == "hckms" else recipient  # this kind only in lists


def take(rule: Rule, gone: Collection[str]) -> None:
    """Leave these out of the rule."""
    for holder, kind in _holders(rule):
        _take(holder, kind, gone)


def _take(holder: Rule, kind: str, gone: Collection[str]) -> None:
    found = holder[kind]
    left = [each for each in listed(found) if each not in gone]
    if len(left) == len(listed(found)):
        return
    if not left:
        del holder[kind]
    else:
        holder[kind] = (
            ",".join(left) if isinstance(found, str) else [e for e in found if _text(e) not in gone]
        )


def kind_of(recipient: str) -> str:
    """The key under which a rule has recipients like this one.

    Raises:
        UsageError: it is none.
    """
    for kind, pattern in _KINDS.items():
        if re.fullmatch(pattern, recipient):
            return kind
    if recipient.upper().startswith("AGE-"):
        hint = "Make a new one, for this one was shown. Give the public part of it: age-keygen -y KEYFILE"
        raise UsageError("this is a private key", hint=hint)
    hint = "For age: what age-keygen -y KEYFILE prints; it begins with age1."
    raise UsageError(f"{recipient!r} is no recipient", hint=hint)
