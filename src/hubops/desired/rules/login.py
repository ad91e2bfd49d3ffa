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

_ALLOWS_ALL = re.compile(r"^[^#\n]*\bc\.(?:Local)?(\w*Authenticator)\.allow_all\s*=\s*True\b", re.MULTILINE)


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
        said = _IN_PYTHON.search(str(snippet)) or _opening_in_python(view, kind, str(snippet))
        if said:
            yield _open(view, ("hub", "extraConfig", name), f"the snippet says {said[0].strip()}")


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
    classes, trait = _classes(kind), _opening_trait(view, kind)
    opened = [each for each in classes if view.at("hub", "config", each, "allow_all") is True]
    if not opened or not trait:
        return None
    return (opened[0] if trait == "allow_all" else classes[0]), trait


def _opening_in_python(view: HubView, kind: str, snippet: str) -> re.Match[str] | None:
    """The line that opens the authenticator that values choose, or one of its own where they choose none."""
    for found in _ALLOWS_ALL.finditer(snippet):
        chosen = kind or _kind(found[1])
        restricts = _PUBLIC.get(chosen)
        if found[1] in _classes(chosen) and _opening_trait(view, chosen):
            return None if restricts and restricts in snippet else found
    return None


def _classes(kind: str) -> list[str]:
    """The sections of `hub.config` that the authenticator heeds, its own first."""
    return [each for each in (_SECTIONS.get(kind, ""), "OAuthenticator", "Authenticator") if each]


def _opening_trait(view: HubView, kind: str) -> str:
    """What lets in everybody once `allow_all` is on; empty where something else still decides."""
    own = view.at("hub", "config", _SECTIONS.get(kind, "")) or {}
    if kind == "native":
        return "open_signup" if own.get("open_signup") is True else ""
    is_open = (kind in _PUBLIC and not own.get(_PUBLIC[kind])) or (
        kind == "firstuse" and own.get("create_users") is not False
    )
    return "allow_all" if is_open else ""


def _takes_any_name(view: HubView) -> bool:
    """FirstUseAuthenticator opens by itself where its list of names is empty."""
    said = [view.at("hub", "config", each) or {} for each in ("FirstUseAuthenticator", "Authenticator")]
    named = view.hub.people.allowed or view.hub.people.admins or any(own.get("allowed_users") for own in said)
    closed = said[0].get("create_users") is False or any(own.get("allow_all") is False for own in said)
    return not named and not closed


RULES = (
    Rule("open-authentication", "Off the local cluster, anybody in the world can log in.", open_authentication),
)  # fmt: skip
