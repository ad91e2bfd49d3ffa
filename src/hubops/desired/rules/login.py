"""Rules about who can log in, on hubs off the local cluster."""

import re
from collections.abc import Iterator

from hubops.desired.access import CLASSES
from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import HubView
from hubops.errors import RepositoryError

_CLASS = ("hub", "config", "JupyterHub", "authenticator_class")
# Zero to JupyterHub's default, where values say nothing.
_UPSTREAM = "dummy"
_ANY_NAME = {"dummy": "any name with any password", "tmp": "anybody, under a name made up for them"}
# Providers at which anybody has an account or can make one, and the trait that lets in only some of them even
# with allow_all (oauthenticator's documentation).
_PUBLIC = {"github": "", "google": "hosted_domain", "gitlab": "gitlab_url", "bitbucket": "", "globus": "", "mediawiki": ""}  # fmt: skip
_SECTIONS = {**CLASSES, "firstuse": "FirstUseAuthenticator", "tmp": "TmpAuthenticator"}
_IN_PYTHON = re.compile(r"authenticator_class\s*=\s*['\"][\w.]*?(?:\b(?:dummy|tmp)|DummyAuthenticator|TmpAuthenticator)['\"]")  # fmt: skip


def open_authentication(view: HubView) -> Iterator[RepositoryError]:
    """By the merged values: who logs in may be said in another file than who may."""
    hub = view.hub
    if hub.cluster.local or not (view.dependency or view.at("hub")):
        return
    kind = _kind(view.at(*_CLASS) or (_UPSTREAM if view.is_upstream else ""))
    if kind in _ANY_NAME:
        yield _open(view, _CLASS, f"{kind} lets in {_ANY_NAME[kind]}")
    elif kind == "firstuse" and _takes_any_name(view):
        yield _open(view, _CLASS, "firstuse lets in any name with any password while nobody is named")
    elif trait := _opening(view, kind):
        yield _open(view, ("hub", "config", *trait), f"{'.'.join(trait)} lets in everybody with an account")
    for name, snippet in (view.at("hub", "extraConfig") or {}).items():
        if found := _IN_PYTHON.search(str(snippet)):
            yield _open(view, ("hub", "extraConfig", name), f"the snippet says {found[0]}")


def _open(view: HubView, path: tuple[str, ...], why: str) -> RepositoryError:
    return RepositoryError(
        f"anybody can log in to {view.hub.name}",
        where=view.place(*path),
        why=why,
        hint="Choose an authenticator and say who may come: docs/authentication.md",
    )


def _kind(name: object) -> str:
    """The short name of an authenticator class, which may be given as a Python class."""
    last = str(name).replace(":", ".").rsplit(".", 1)[-1]
    known = {section: kind for kind, section in _SECTIONS.items()}
    return known.get(last.removeprefix("Local"), last)


def _opening(view: HubView, kind: str) -> tuple[str, str] | None:
    """The trait of `hub.config` that opens the authenticator to the world."""
    section = _SECTIONS.get(kind, "")
    own = view.at("hub", "config", section) or {}
    classes = [each for each in (section, "OAuthenticator", "Authenticator") if each]
    opened = [each for each in classes if view.at("hub", "config", each, "allow_all") is True]
    if not opened:
        return None
    if kind in _PUBLIC and not own.get(_PUBLIC[kind]):
        return opened[0], "allow_all"
    if kind == "native" and own.get("open_signup") is True:
        return section, "open_signup"
    if kind == "firstuse" and own.get("create_users") is not False:
        return opened[0], "allow_all"
    return None


def _takes_any_name(view: HubView) -> bool:
    """FirstUseAuthenticator opens by itself where its list of names is empty."""
    said = [view.at("hub", "config", each) or {} for each in ("FirstUseAuthenticator", "Authenticator")]
    named = view.hub.people.allowed or view.hub.people.admins or any(own.get("allowed_users") for own in said)
    closed = said[0].get("create_users") is False or any(own.get("allow_all") is False for own in said)
    return not named and not closed


RULES = (
    Rule("open-authentication", "Off the local cluster, anybody in the world can log in.", open_authentication),
)  # fmt: skip
