"""Which secrets a hub needs, by its chart and by how people log in, and what a new value does to people."""

import json
from collections.abc import Iterator

from hubops.desired.access import CLASSES
from hubops.desired.model import Hub, ImageReference, Values
from hubops.desired.secret_check import TOKEN
from hubops.desired.values import find_value, image_names, merge, of_jupyterhub, render_values
from hubops.desired.yaml import Path

SECRET_TOKEN: Path = ("proxy", "secretToken")
COOKIE_SECRET: Path = ("hub", "cookieSecret")
CRYPT_KEYS: Path = ("hub", "config", "CryptKeeper", "keys")
_SHARED = "SharedPasswordAuthenticator"
PASSWORDS: tuple[Path, ...] = (
    ("hub", "config", _SHARED, "user_password"),
    ("hub", "config", _SHARED, "admin_password"),
)
# What hubops generates, and what people see of a new value once it is deployed.
EFFECTS: dict[Path, str] = {
    SECRET_TOKEN: "hub and proxy restart; people stay logged in, and their servers run on",
    COOKIE_SECRET: "everybody logs in again; their servers run on",
    CRYPT_KEYS: "nobody notices: the key before stays second, for what was encrypted with it",
    TOKEN: "nobody notices: it is good for the probe person and nobody else",
    PASSWORDS[0]: "everybody needs the new password, from the next login on",
    PASSWORDS[1]: "admins need the new password, from the next login on",
}
_CLASSES = {**CLASSES, "okpy": "OkpyOAuthenticator"}
_OAUTH = "OAuthenticator"
# Of others what they need: without it nobody gets in, or who knows how (an HMAC without a key).
_OF_LOGINS = {
    "HMACAuthenticator": "secret_key",
    "LTI11Authenticator": "consumers",
    "LTI13Authenticator": "client_id",
}
_KINDS = {
    "client_secret": "make a new one at the provider, put it in, deploy, then delete the old one there; "
    "who deletes first lets nobody log in until the deploy",
    "apiToken": "put in a new one, and give it to the service that uses it; until then the service is refused",
    "password": "make a new one where it is checked, and put it in at once; in between the hub cannot use it",
}


def find_missing(hub: Hub, secrets: Values) -> list[Path]:
    """What the hub needs and has nowhere; `secrets` are its file of secrets.

    Raises:
        RepositoryError: an image of the hub is named wrongly.
    """
    return missing_in(hub, _of_chart(hub, secrets))


def missing_in(hub: Hub, values: Values) -> list[Path]:
    """What the hub needs and these values of JupyterHub's chart, secrets or stand-ins for them among them, have not."""
    return [path for path in _needed(hub, values) if not _has(values, path)]


def uses_passwords(hub: Hub) -> bool:
    """Whether people log in with the two passwords that hubops can generate."""
    return _authenticator(_of_chart(hub, {})) == _SHARED


def effect_of(path: Path) -> str:
    """What to do for a new value that hubops cannot make, and what that does; empty where it is no secret."""
    known = {"client_id": "", **_KINDS}
    words = [word for word in known if str(path[-1]).lower().endswith(word.lower())]
    generic = "make a new one where it comes from, and put it in; whoever still has the old one is refused"
    return known[words[0]] if words else generic


def _of_chart(hub: Hub, secrets: Values) -> Values:
    images = {name: ImageReference(f"registry.invalid/{name}", "c0") for name in image_names(hub)}
    return of_jupyterhub(hub, merge(render_values(hub, images), secrets))


def _needed(hub: Hub, values: Values) -> Iterator[Path]:
    yield TOKEN
    if find_value(values, ("hub", "existingSecret")):
        return  # an object of the cluster, laid over the values
    # The upstream chart makes these three itself where nobody gives them.
    dependencies = hub.chart.value.get("dependencies") or []
    if any(str(each.get("repository")).startswith("file:") for each in dependencies):
        yield from (SECRET_TOKEN, COOKIE_SECRET, CRYPT_KEYS)
    name = _authenticator(values)
    if name == _SHARED:
        yield from PASSWORDS
    elif name.endswith(_OAUTH):
        yield from (("hub", "config", name, "client_id"), ("hub", "config", name, "client_secret"))
    elif name in _OF_LOGINS:
        yield ("hub", "config", name, _OF_LOGINS[name])


def _authenticator(values: Values) -> str:
    """The name of the class, without the module it is in."""
    written = str(find_value(values, ("hub", "config", "JupyterHub", "authenticator_class")) or "")
    name = _CLASSES.get(written.removeprefix("local-"), written)
    return name.rpartition(".")[2]


def _has(values: Values, path: Path) -> bool:
    if find_value(values, path):
        return True
    # The provider's class inherits from this one, and reads variables where both say nothing.
    key = str(path[-1])
    inherited = find_value(values, ("hub", "config", _OAUTH, key))
    names = find_value(values, ("hub", "extraEnv")) or {}
    variables = [str(name) for name in names] if isinstance(names, dict) else []
    scripts = json.dumps([find_value(values, ("hub", name)) for name in ("extraConfig", "extraFiles")])
    return key in {"client_id", "client_secret"} and bool(
        inherited or key in scripts or any(name.endswith(key.upper()) for name in variables)
    )
