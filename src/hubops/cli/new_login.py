"""How people log in to a new hub: said, asked for, or what its shared values say already."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from hubops.cli.new_choices import Wishes, choose_stage, pick
from hubops.desired.model import Cluster, Fleet, Hub, Values
from hubops.desired.repository import load_values
from hubops.desired.settings import SETTINGS
from hubops.desired.values import JUPYTERHUB, merge
from hubops.errors import UsageError
from hubops.scaffold.logins import callback_values, provider_of, values_of
from hubops.scaffold.providers import PROVIDERS, Provider


@dataclass(frozen=True)
class Login:
    """How people log in to the hub at `home`: the values that it takes; the provider where hubops knows it."""

    home: str
    values: Values
    provider: Provider | None

    def secrets(self) -> list[str]:
        """What has to be among the hub's secrets."""
        if not self.provider:
            return []
        own = self.values.get("hub", {}).get("config", {}).get(self.provider.section, {})
        return [key for key in self.provider.secrets if key not in own]


def choose_login(fleet: Fleet, wishes: Wishes, cluster: Cluster, source: Hub | None) -> Login | None:
    """How people log in; None on the local cluster, which has generated passwords.

    Raises:
        UsageError: nobody said it, or an answer is missing.
    """
    if cluster.local and not wishes.auth:
        _require_none(wishes.answers, "on the local cluster everybody has a generated password")
        return None
    if not cluster.url:
        hint = "Write its public address there: url: https://..."
        raise UsageError(f"the cluster {cluster.name} has no url", where=SETTINGS, hint=hint)
    home = f"{cluster.url}/{wishes.hub}/"
    known = _known_login(fleet.root, choose_stage(fleet, wishes, cluster, source), cluster, source)
    if known and not wishes.auth:
        _require_none(wishes.answers, f"its values say already how people log in: {known}")
        provider = provider_of(known)
        return Login(home, callback_values(provider, home) if provider else {}, provider)
    provider = PROVIDERS[wishes.auth or pick("How people log in", "--auth", PROVIDERS)]
    return Login(home, values_of(provider, _answers(provider, wishes.answers), home), provider)


def _known_login(root: Path, stage: str, cluster: Cluster, source: Hub | None) -> str:
    """What the hub's shared values, or those of the hub it copies, say already."""
    names = ("organisation", f"clusters/{cluster.name}", f"stages/{stage}")
    layers = [load_values(root, name).get(JUPYTERHUB) or {} for name in names]
    values = source.values if source else {}
    own = (values.get(source.prefix) or {}) if source and source.prefix else values
    found: object = merge(*layers, own)
    for key in ("hub", "config", "JupyterHub", "authenticator_class"):
        found = found.get(key) if isinstance(found, dict) else None
    return str(found or "")


def _answers(provider: Provider, said: Sequence[str]) -> dict[str, str]:
    answers = dict(_pair(each) for each in said)
    if sys.stdin.isatty():
        for key, answer in provider.answers.items():
            if key not in answers:
                answers[key] = click.prompt(
                    answer.question, default=None if answer.required else "", show_default=False, err=True
                )
    return answers


def _require_none(answers: Sequence[str], why: str) -> None:
    if answers:
        raise UsageError("--set is for --auth", why=why, hint="Leave it out, or say --auth too.")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is no setting", hint="Write --set KEY=VALUE.")
    return key, value
