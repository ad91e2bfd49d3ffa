"""A rule about commands that Kubernetes runs before it counts a server as started."""

import re
from collections.abc import Iterator
from typing import Any

from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import HubView
from hubops.errors import RepositoryError

_OPERATORS = {"||", "&&", ";", "|", "&"}
_SHELLS = {"sh", "bash", "dash", "ash", "zsh"}
# A script that ends so has succeeded, or goes on in the background.
_HARMLESS = re.compile(
    r"(\|\|\s*(true|:|exit 0|echo\b[^\n;&|]*)|(^|[;\n])\s*(true|:|exit 0)|[^&]&)\s*[;)}]*\s*$"
)
_STOPS_AT_ONCE = re.compile(r"(^|[;\n])\s*set\s+-\w*e")
_PLACES = (
    ("singleuser", "lifecycleHooks"),
    ("hub", "config", "KubeSpawner", "lifecycle_hooks"),
)


def blocking_hook(view: HubView) -> Iterator[RepositoryError]:
    """Kubernetes kills a container whose postStart hook fails: nobody's server starts."""
    for path, hooks in _hooks(view):
        handler = hooks.get("postStart") if isinstance(hooks, dict) else None
        command = (handler.get("exec") or {}).get("command") if isinstance(handler, dict) else None
        if handler and (why := _judge(command)):
            yield RepositoryError(
                "a postStart hook can keep servers from starting",
                where=view.place(*path, "postStart"),
                why=why,
                hint='Write command: ["sh", "-c", "... || true"], with a timeout where it goes over the network.',
            )


def _hooks(view: HubView) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    for place in _PLACES:
        yield place, view.at(*place)
    profiles = view.at("singleuser", "profileList")
    for number, profile in enumerate(profiles if isinstance(profiles, list) else ()):
        override = profile.get("kubespawner_override") if isinstance(profile, dict) else None
        if isinstance(override, dict):
            inner = ("singleuser", "profileList", number, "kubespawner_override", "lifecycle_hooks")
            yield inner, override.get("lifecycle_hooks")


def is_harmless(command: list[str]) -> bool:
    """Whether a command succeeds whatever happens: a shell's script that says so at its end."""
    shell, options, script = [*command[:3], "", "", ""][:3]
    if shell.rsplit("/", 1)[-1] not in _SHELLS or "c" not in options or "e" in options:
        return False
    return bool(_HARMLESS.search(script)) and not _STOPS_AT_ONCE.search(script)


def _judge(command: Any) -> str:
    """Why a command may fail; empty where it cannot."""
    if not isinstance(command, list):
        return "it asks another program, and when that fails the server ends"
    words = [str(word) for word in command]
    if is_harmless(words):
        return ""
    if operators := sorted(_OPERATORS & {*words}):
        return f"{operators[0]} is an argument here, for there is no shell that reads it"
    return "when it fails (a full disk, a repository that is away), the server ends"


RULES = (Rule("blocking-hook", "A postStart hook that fails keeps servers from starting.", blocking_hook),)
