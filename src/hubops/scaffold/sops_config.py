""".sops.yaml: who can open which file. Pure, on its content; beside sops' rules it names the people.

`people` is ours, and sops passes over it: the name of a person, or of a machine such as CI, and their recipient
or recipients. The rules stay as sops documents them, in whichever of its forms they are written.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from hubops.errors import RefusedError, RepositoryError, UsageError
from hubops.names import did_you_mean

NAME = ".sops.yaml"
PEOPLE, RULES = "people", "creation_rules"
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
Config = dict[str, Any]


def new_config(name: str, recipient: str) -> Config:
    """One person who opens everything in secrets/."""
    return {PEOPLE: {name: recipient}, RULES: [{"path_regex": "^secrets/", _kind(recipient): recipient}]}


def names_of(config: Config) -> dict[str, str]:
    """Whose each recipient is."""
    return {each: name for name, found in _people(config).items() for each in _listed(found)}


def recipients_for(config: Config, file: str) -> list[str]:
    """Who is to open a file: by the first rule whose path_regex it matches, as sops chooses; empty without one.

    Raises:
        RepositoryError: a path_regex is none.
    """
    rule = _find_rule(config, file)
    return [] if rule is None else _recipients(rule)


def add_person(config: Config, name: str, recipient: str, files: Collection[str] = ()) -> None:
    """Let a person open these files, or (none named) all that any rule is for. Nobody is taken away.

    A file gets a rule of its own, unless it has one: what a wider rule is for stays closed to the person.

    Raises:
        UsageError: the recipient is none that sops knows, or somebody else's.
        RepositoryError: there is no rule for a file, or one is written in a way that only a person can change.
    """
    kind = _kind(recipient)
    owner = names_of(config).get(recipient, name)
    if owner != name:
        raise UsageError(f"{recipient} is already {owner}'s", where=f"{NAME}: {PEOPLE}")
    rules = [_own_rule(config, file) for file in files] if files else _rules(config)
    if not rules:
        raise RepositoryError(f"{NAME} has no {RULES}", where=NAME, hint="Make it: hubops secrets new HUB")
    for rule in rules:
        if recipient not in _recipients(rule):
            _add(rule, kind, recipient)
    people = config.setdefault(PEOPLE, {})
    known = _listed(people.get(name))
    people[name] = (
        recipient if not known or known == [recipient] else list(dict.fromkeys([*known, recipient]))
    )


def remove_person(config: Config, name: str) -> list[str]:
    """Take a person, by name or recipient, out of all rules; returns their recipients.

    Raises:
        UsageError: nobody is called so.
        RefusedError: a rule would be left without anybody.
    """
    people = _people(config)
    gone = _listed(people.get(name)) or [name for rule in _rules(config) if name in _recipients(rule)][:1]
    if not gone:
        hint = did_you_mean(name, people)
        raise UsageError(f"{NAME} knows no {name}", where=f"{NAME}: {PEOPLE}", hint=hint)
    for rule in _rules(config):
        for holder, kind in _holders(rule):
            _take(holder, kind, gone)
        if not _recipients(rule):
            what = (
                f"without {name} nobody could open what {NAME} has for {rule.get('path_regex', 'all files')}"
            )
            hint = "Let somebody else in first: hubops secrets add-person NAME RECIPIENT"
            raise RefusedError(what, where=NAME, why="it is the only recipient there", hint=hint)
    for person in [each for each, found in people.items() if set(_listed(found)) & {*gone}]:
        left = [each for each in _listed(people[person]) if each not in gone]
        del people[person]
        if left:
            people[person] = left
    if PEOPLE in config and not people:
        del config[PEOPLE]
    return gone


def _people(config: Config) -> dict[str, Any]:
    found = config.get(PEOPLE) or {}
    if not isinstance(found, dict):
        raise RepositoryError(f"{PEOPLE} must hold names and recipients", where=f"{NAME}: {PEOPLE}")
    return found


def _rules(config: Config) -> list[Config]:
    found = config.get(RULES) or []
    if not isinstance(found, list) or not all(isinstance(rule, dict) for rule in found):
        raise RepositoryError(f"{RULES} must be a list of rules", where=f"{NAME}: {RULES}")
    return found


def _find_rule(config: Config, file: str) -> Config | None:
    return next((rule for rule in _rules(config) if _matches(rule, file)), None)


def _matches(rule: Config, file: str) -> bool:
    pattern = rule.get("path_regex") or ""
    try:
        return re.search(pattern, file) is not None
    except (re.error, TypeError) as error:
        raise RepositoryError(
            f"{pattern!r} is no path_regex", where=f"{NAME}: {RULES}", why=str(error)
        ) from error


def _own_rule(config: Config, file: str) -> Config:
    """The rule that is for this file alone, made where there is none, in front of the one that was for it."""
    pattern, rule = "^{}$".format(file.replace(".", r"\.")), _find_rule(config, file)
    if rule is None:
        raise RepositoryError(
            f"{NAME} has no rule for {file}", where=NAME, hint="Add one; see its other rules."
        )
    if rule.get("path_regex") == pattern:
        return rule
    own = {**deepcopy(rule), "path_regex": pattern}
    rules = _rules(config)
    rules.insert(rules.index(rule), own)
    return own


def _recipients(rule: Config) -> list[str]:
    return [each for holder, kind in _holders(rule) for each in _listed(holder[kind])]


def _holders(rule: Config) -> Iterator[tuple[Config, str]]:
    """Where a rule has recipients: a mapping and its key. With key_groups sops reads nothing else."""
    for holder in rule.get("key_groups") or [rule]:
        yield from ((holder, kind) for kind in (*_KINDS, "hc_vault") if holder.get(kind))


def _listed(found: Any) -> list[str]:
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


def _add(rule: Config, kind: str, recipient: str) -> None:
    groups = rule.get("key_groups")
    if groups and (len(groups) > 1 or kind not in _SIMPLE):
        hint = "Add it by hand, then: sops updatekeys secrets/<hub>.yaml"
        raise RepositoryError(
            "only a person can tell where the recipient goes", where=f"{NAME}: key_groups", hint=hint
        )
    holder = groups[0] if groups else rule
    found = holder.get(kind)
    if isinstance(found, str) and found:
        holder[kind] = ",".join([*_listed(found), recipient])
    elif found or groups:
        item = {_FIELDS[kind]: recipient} if groups and kind in _FIELDS else recipient
        holder[kind] = [*(found or []), item]
    else:
        holder[kind] = recipient


def _take(holder: Config, kind: str, gone: Iterable[str]) -> None:
    found, gone = holder[kind], {*gone}
    left = [each for each in _listed(found) if each not in gone]
    if len(left) == len(_listed(found)):
        return
    if not left:
        del holder[kind]
    else:
        holder[kind] = (
            ",".join(left) if isinstance(found, str) else [e for e in found if _text(e) not in gone]
        )


def _kind(recipient: str) -> str:
    for kind, pattern in _KINDS.items():
        if re.fullmatch(pattern, recipient):
            return kind
    if recipient.upper().startswith("AGE-"):
        hint = "Make a new one, for this one was shown. Give the public part of it: age-keygen -y KEYFILE"
        raise UsageError("this is a private key", hint=hint)
    hint = "For age: what age-keygen -y KEYFILE prints; it begins with age1."
    raise UsageError(f"{recipient!r} is no recipient", hint=hint)
