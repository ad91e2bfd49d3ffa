"""Whom a hub lets in by all of its values; they are those of JupyterHub's chart, secret ones among them."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hubops.desired.model import Access, Values

# The short names that JupyterHub, OAuthenticator 17, LDAPAuthenticator 2 and NativeAuthenticator register for their classes.
CLASSES = {
    "auth0": "Auth0OAuthenticator",
    "azuread": "AzureAdOAuthenticator",
    "bitbucket": "BitbucketOAuthenticator",
    "cilogon": "CILogonOAuthenticator",
    "dummy": "DummyAuthenticator",
    "generic-oauth": "GenericOAuthenticator",
    "github": "GitHubOAuthenticator",
    "gitlab": "GitLabOAuthenticator",
    "globus": "GlobusOAuthenticator",
    "google": "GoogleOAuthenticator",
    "ldap": "LDAPAuthenticator",
    "mediawiki": "MWOAuthenticator",
    "native": "NativeAuthenticator",
    "openshift": "OpenShiftOAuthenticator",
    "pam": "PAMAuthenticator",
    "shared-password": "SharedPasswordAuthenticator",
}
# Those that let people in by settings that begin with `allow`, and by nothing else; not the one that compares
# names in another way. The last three have no short name.
_LET_IN_BY_SETTINGS = (frozenset(CLASSES.values()) - {"MWOAuthenticator"}) | {
    "HMACAuthenticator",
    "LTI11Authenticator",
    "LTI13Authenticator",
}
AUTHENTICATOR = "Authenticator"


def read_access(values: Values) -> Access:
    """Whom a hub with these values lets in.

    What a script in hub.extraConfig does cannot be told: where one mentions who may come, the hub counts as
    open, and where one mentions the volumes, as one that deletes them.
    """
    hub, config = _map(values.get("hub")), sections(values)
    scripts = json.dumps([hub.get("extraConfig"), hub.get("extraFiles")])
    own = list(_authenticators(config))
    roles = _map(hub.get("loadRoles"))
    admins, blocked = _names(own, "admin_users"), _names(own, "blocked_users")
    named = _names(own, "allowed_users") | admins | _names(map(_map, roles.values()), "users")
    spawners = [traits["delete_pvc"] for traits in config.values() if "delete_pvc" in traits]
    return Access(
        named - blocked,
        admins - blocked,
        blocked,
        closed=bool(named)
        and login_of(values) in _LET_IN_BY_SETTINGS
        and not _lets_others_in(own)
        and not any(word in scripts for word in ("uthenticator", "allow")),
        admins_closed=isinstance(_map(roles.get("admin")).get("users"), list),
        homes_stay=bool(spawners) and not any(spawners) and "delete_pvc" not in scripts,
    )


def login_of(values: Values) -> str:
    """The name of the class by which people log in, "" where the values do not say."""
    name = str(sections(values).get("JupyterHub", {}).get("authenticator_class") or "")
    return CLASSES.get(name, name.rpartition(".")[2])


def makes_admins(values: Values) -> bool:
    """Whether a login makes admins by other means than by name: by groups, or by roles of its own."""
    return any(
        value
        for traits in _authenticators(sections(values))
        for key, value in traits.items()
        if key == "manage_roles" or (key.startswith("admin_") and key.endswith("groups"))
    )


def sections(values: Values) -> Values:
    """Traits by class name: hub.config."""
    config = _map(_map(values.get("hub")).get("config"))
    return {name: _map(traits) for name, traits in config.items()}


def _authenticators(config: Values) -> Iterator[Values]:
    return (traits for name, traits in config.items() if name.endswith(AUTHENTICATOR))


def _lets_others_in(own: Iterable[Values]) -> bool:
    """By groups, all, or having been there before, which JupyterHub lets in unless it is told not to."""
    ways = [way for traits in own for way in _ways_in(traits)]
    return any(value for _, value in ways) or ("allow_existing_users", False) not in ways


def _ways_in(traits: Any) -> Iterator[tuple[str, Any]]:
    """Settings that let in others than by name, at any depth: CILogon has them for each identity provider."""
    for key, value in _map(traits).items():
        if key.startswith("allow") and key != "allowed_users":
            yield key, value
        else:
            yield from _ways_in(value)


def _names(among: Iterable[Values], trait: str) -> frozenset[str]:
    lists = (each.get(trait) or [] for each in among)
    return frozenset(str(name).lower() for names in lists for name in names)


def _map(value: Any) -> Values:
    return value if isinstance(value, dict) else {}
