"""A hub's people.yaml: how it reaches the values that the hub is deployed with."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import unquote

from hubops.desired.access import AUTHENTICATOR, login_of, makes_admins, sections
from hubops.desired.model import Hub, People, Values
from hubops.desired.probe import PROBE_NAME
from hubops.desired.values import merge, of_jupyterhub, prefixed
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError

PEOPLE_LISTS = ("admins", "allowed", "blocked", "teams")
# What lets in a group (OAuthenticator 17, LDAPAuthenticator 2).
_TEAMS = {
    "BitbucketOAuthenticator": "allowed_teams",
    "GitHubOAuthenticator": "allowed_organizations",
    "GitLabOAuthenticator": "allowed_gitlab_groups",
    "GlobusOAuthenticator": "allowed_globus_groups",
    "GoogleOAuthenticator": "allowed_google_groups",
    "LDAPAuthenticator": "allowed_groups",
    # By groups of JupyterHub, which these fill from what the provider says: auth_state_groups_key.
    "Auth0OAuthenticator": "allowed_groups",
    "AzureAdOAuthenticator": "allowed_groups",
    "CILogonOAuthenticator": "allowed_groups",
    "GenericOAuthenticator": "allowed_groups",
    "OpenShiftOAuthenticator": "allowed_groups",
}
_CIPHER = "ENC[AES256_GCM,"
_LONGEST = 255  # the column of the hub's database
LISTS = {"admins": "admin_users", "allowed": "allowed_users", "blocked": "blocked_users"}


def read_people(value: Values) -> People:
    """The people that the content of a people.yaml names."""
    lists = {
        key: tuple(name for name in value.get(key) or () if isinstance(name, str)) for key in PEOPLE_LISTS
    }
    return People(**lists, decides_admins=value.get("admins") is not None, encrypted="sops" in value)


def opened_people(value: Values, file: str) -> People:
    """As `read_people`, of a file that was encrypted, in which nobody could see before what is no name.

    Raises:
        RepositoryError: something stands for a person or a team and is no text; it is not shown.
    """
    for key in PEOPLE_LISTS:
        if not all(isinstance(name, str) and name for name in value.get(key) or ()):
            hint = f"Quote names that look like numbers: sops edit {file}"
            raise RepositoryError(f"{key} names somebody by what is no text", where=file, hint=hint)
    return replace(read_people(value), encrypted=True)


def with_people(hub: Hub, values: Values) -> Values:
    """Rendered values with the hub's people below them: what is written in a values file wins.

    Raises:
        RepositoryError: as `people_values`.
    """
    return merge(people_values(hub, values), values)


def people_values(hub: Hub, values: Values) -> Values:
    """What the hub's people are among its values, the others of which decide about teams and admins.

    Two defaults come with them. KubeSpawner deletes a person's volume with the person unless it is told not
    to; and JupyterHub's list of admins only makes admins, while that of its role `admin` unmakes others too.

    Raises:
        RepositoryError: the people are encrypted still; as names they would put everybody out.
    """
    _require_opened(hub)
    own, users = _own(hub, values), _users(hub.people)
    config = {
        AUTHENTICATOR: {trait: names for trait, names in users.items() if names},
        "KubeSpawner": {"delete_pvc": False},
        **_teams(hub.people.teams, login_of(own)),
    }
    by_name = hub.people.decides_admins and not makes_admins(own)
    roles = {"loadRoles": {"admin": {"users": users["admin_users"]}}} if by_name else {}
    return prefixed(hub, {"hub": {"config": config, **roles}})


def normal_name(name: str, login: str = "") -> str:
    """A name as the hub compares it (normalize_username of JupyterHub 5 and MWOAuthenticator)."""
    return name.replace(" ", "_") if login == "MWOAuthenticator" else name.lower()


def name_fault(name: str, pattern: str = "") -> str:
    """Why nobody can have this name on a hub, "" for one that can be (validate_username of JupyterHub 5).

    `pattern` is the hub's Authenticator.username_pattern.
    """
    if not name or name != name.strip() or not name.isprintable():
        return "a name has no space at its ends, and only characters that can be seen"
    if "/" in name or not unquote(name).strip("."):
        return "a name is a part of an address: no slash, and more than dots"
    if len(name) > _LONGEST:
        return f"a name has at most {_LONGEST} characters"
    if name == PROBE_NAME:
        return "it is that of the probe person, who comes by itself"
    if pattern and not re.match(pattern, name):
        return f"username_pattern is {pattern}"
    return ""


def username_pattern(hub: Hub, values: Values) -> str:
    """What names must match by the rendered values; "" for anything."""
    own = _own(hub, values)
    found = [sections(own).get(name, {}).get("username_pattern") for name in (login_of(own), AUTHENTICATOR)]
    return str(next(filter(None, found), ""))


def check_people(hub: Hub, values: Values) -> Iterator[RepositoryError]:
    """Teams that nothing would come of with these rendered values.

    On the local cluster they count for nothing: there everybody has the same password.
    """
    if not hub.people.teams or hub.cluster.local:
        return
    login, where = login_of(_own(hub, values)), f"hub-charts/{hub.name}/people.yaml"
    if login not in _TEAMS:
        what = f"{hub.name} has teams, but its login knows none"
        why = f"hub.config.JupyterHub.authenticator_class is {login or 'not set'}"
        yield RepositoryError(what, where=where, why=why, hint=f"These do: {', '.join(sorted(_TEAMS))}.")
    elif login == "GoogleOAuthenticator":
        for team in (team for team in hub.people.teams if "@" not in team):
            what, hint = f"{team} is not a Google group", "Write it whole, as in course@example.org."
            yield RepositoryError(what, where=where, hint=hint)


def hidden_lists(hub: Hub, values: Values) -> dict[str, Path]:
    """The lists of people.yaml that have no effect, or would have none: where JupyterHub's chart has what hides each."""
    own = _own(hub, values)
    config, login = sections(own), login_of(own)
    lists = LISTS | ({"teams": _TEAMS[login]} if login in _TEAMS else {})
    return {
        key: ("hub", "config", name, trait)
        for key, trait in lists.items()
        for name in (AUTHENTICATOR, login)
        if trait in config.get(name, {})
    }


def _require_opened(hub: Hub) -> None:
    people = hub.people
    if any(
        name.startswith(_CIPHER) for name in (*people.admins, *people.allowed, *people.blocked, *people.teams)
    ):
        hint = "hubops opens a file that sops encrypted as a whole; write others in plain."
        where = f"hub-charts/{hub.name}/people.yaml"
        raise RepositoryError(f"the people of {hub.name} are encrypted", where=where, hint=hint)


def _own(hub: Hub, values: Values) -> Values:
    return of_jupyterhub(hub, values)


def _users(people: People) -> dict[str, list[str]]:
    """JupyterHub's lists. Who is blocked is on no other: that would make them a user at each start."""
    blocked = {name.lower() for name in people.blocked}
    lists = {
        "admin_users": {*people.admins},
        "allowed_users": {*people.allowed, *people.admins},
    }
    others = {trait: sorted(n for n in names if n.lower() not in blocked) for trait, names in lists.items()}
    return {**others, "blocked_users": sorted(people.blocked)}


def _teams(teams: Iterable[str], login: str) -> Values:
    names, trait = sorted(teams), _TEAMS.get(login, "")
    if not names or not trait:
        return {}
    if trait == "allowed_google_groups":
        return {login: {trait: _by_domain(names)}}
    # JupyterHub has no groups from a login unless that manages them; a directory is asked for its own.
    managed = trait == "allowed_groups" and login != "LDAPAuthenticator"
    return {login: {"manage_groups": True, trait: names} if managed else {trait: names}}


def _by_domain(groups: Iterable[str]) -> dict[str, list[str]]:
    """Google's are looked up by the domain of the person who logs in, and compared without it."""
    found: dict[str, list[str]] = {}
    for group in groups:
        name, _, domain = group.partition("@")
        found.setdefault(domain, []).append(name)
    return found
