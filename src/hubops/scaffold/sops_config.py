""".sops.yaml: who can open which file. Pure, on its content; beside sops' rules it names the people.

`people` is ours, and sops passes over it: the name of a person, or of a machine such as CI, and their recipient
or recipients. The rules stay as sops documents them, in whichever of its forms they are written.
"""

import re
from collections.abc import Collection
from copy import deepcopy
from typing import Any

from hubops.errors import RefusedError, RepositoryError, UsageError
from hubops.names import did_you_mean
from hubops.scaffold.sops_recipients import add, kind_of, listed, of_rule, take

NAME = ".sops.yaml"
PEOPLE, RULES = "people", "creation_rules"
Config = dict[str, Any]


def new_config(name: str, recipient: str) -> Config:
    """One person who opens everything in secrets/."""
    return {PEOPLE: {name: recipient}, RULES: [{"path_regex": "^secrets/", kind_of(recipient): recipient}]}


def names_of(config: Config) -> dict[str, str]:
    """Whose each recipient is."""
    return {each: name for name, found in _people(config).items() for each in listed(found)}


def recipients_for(config: Config, file: str) -> list[str]:
    """Who is to open a file: by the first rule whose path_regex it matches, as sops chooses; empty without one.

    Raises:
        RepositoryError: a path_regex is none.
    """
    rule = _find_rule(config, file)
    return [] if rule is None else of_rule(rule)


def add_person(config: Config, name: str, recipient: str, files: Collection[str] = ()) -> None:
    """Let a person open these files, or (none named) all that any rule is for. Nobody is taken away.

    A file gets a rule of its own, unless it has one: what a wider rule is for stays closed to the person.

    Raises:
        UsageError: the recipient is none that sops knows, or somebody else's.
        RepositoryError: there is no rule for a file, or one is written in a way that only a person can change.
    """
    kind_of(recipient)
    owner = names_of(config).get(recipient, name)
    if owner != name:
        raise UsageError(f"{recipient} is already {owner}'s", where=f"{NAME}: {PEOPLE}")
    rules = [_own_rule(config, file) for file in files] if files else _rules(config)
    if not rules:
        raise RepositoryError(f"{NAME} has no {RULES}", where=NAME, hint="Make it: hubops secrets new HUB")
    for rule in rules:
        if recipient not in of_rule(rule):
            add(rule, recipient)
    people = config.setdefault(PEOPLE, {})
    known = listed(people.get(name))
    people[name] = (
        recipient if not known or known == [recipient] else list(dict.fromkeys([*known, recipient]))
    )


def remove_person(config: Config, name: str, known: Collection[str] = ()) -> list[str]:
    """Take a person, by name or recipient, out of all rules; returns their recipients.

    `known` are recipients that only files have, and no rule any more.

    Raises:
        UsageError: nobody is called so.
        RefusedError: a rule would be left without anybody.
    """
    people = _people(config)
    gone = (
        listed(people.get(name))
        or [name for each in (known, *map(of_rule, _rules(config))) if name in each][:1]
    )
    if not gone:
        hint = did_you_mean(name, people)
        raise UsageError(f"{NAME} knows no {name}", where=f"{NAME}: {PEOPLE}", hint=hint)
    for rule in _rules(config):
        take(rule, gone)
        if not of_rule(rule):
            what = (
                f"without {name} nobody could open what {NAME} has for {rule.get('path_regex', 'all files')}"
            )
            hint = "Let somebody else in first: hubops secrets add-person NAME RECIPIENT"
            raise RefusedError(what, where=NAME, why="it is the only recipient there", hint=hint)
    for person in [each for each, found in people.items() if set(listed(found)) & {*gone}]:
        left = [each for each in listed(people[person]) if each not in gone]
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
