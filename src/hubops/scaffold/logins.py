"""How people log in to a hub: its values, and what to do at the provider, from the answers of an operator."""

from collections.abc import Mapping

from hubops.desired.model import Values
from hubops.desired.values import merge
from hubops.errors import UsageError
from hubops.names import did_you_mean
from hubops.scaffold.providers import PROVIDERS, Provider


def values_of(provider: Provider, answers: Mapping[str, str], home: str) -> Values:
    """The values of JupyterHub's chart for a hub at the address `home`, which ends with a slash.

    Raises:
        UsageError: an answer is missing, or is one to no question.
    """
    for key in answers:
        if key not in provider.answers:
            raise UsageError(
                f"{provider.section} is not asked for {key}", hint=did_you_mean(key, provider.answers)
            )
    missing = [key for key, each in provider.answers.items() if each.required and not answers.get(key)]
    if missing:
        hint = "Give each: " + " ".join(f"--set {key}=..." for key in missing)
        raise UsageError(f"{provider.section} needs {', '.join(missing)}", hint=hint)
    given = {key: answer for key, answer in answers.items() if answer}
    own: Values = {**provider.fixed}
    for key, answer in given.items():
        own |= {key: _several(answer) if provider.answers[key].listed else answer}
        own |= provider.with_answer.get(key, {})
    chosen = {"JupyterHub": {"authenticator_class": provider.authenticator}}
    parts = (chosen, {provider.section: own})
    return merge(*({"hub": {"config": part}} for part in parts), callback_values(provider, home))


def callback_values(provider: Provider, home: str) -> Values:
    """What of the values follows from the hub's address; LTI finds its callback by itself."""
    if "client_secret" not in provider.secrets:
        return {}
    return {"hub": {"config": {provider.section: {"oauth_callback_url": home + provider.callback}}}}


def form_of(provider: Provider, home: str) -> str:
    """What to do at the provider for a hub at the address `home`."""
    origin = "/".join(home.split("/")[:3])
    return provider.form.format(home=home, callback=home + provider.callback, origin=origin)


def provider_of(authenticator: str) -> Provider | None:
    """The way to log in that has this authenticator_class, by its short name or the class; None for others."""
    name = authenticator.rpartition(".")[2]
    found = (
        each for each in PROVIDERS.values() if {authenticator, name} & {each.authenticator, each.section}
    )
    return next(found, None)


def _several(answer: str) -> list[str]:
    return [part.strip() for part in answer.split(",") if part.strip()]
