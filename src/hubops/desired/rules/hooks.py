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
_STOPS_AT_ONCE = re.compile(r"(^|[;\n&|({])\s*set\s[^;\n&|]*?(?<=\s)-(\w*e|\w*o\s+errexit)")
# The shell ends here, or becomes another program, whatever stands behind it.
_LEAVES = re.compile(r"(^|[;\n&|(){]|\b(then|else|do)\b)\s*(exit\b(?!\s+0\b)|exec\s+[^\s<>&\d])")
_QUOTED_OR_COMMENT = re.compile(
    r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|(?P<comment>(?:^|(?<=\s))#[^\n]*)", re.DOTALL | re.MULTILINE
)
_SUBSHELL = re.compile(r"\([^()]*\)")
# Goes on in the background with both outputs elsewhere: Kubernetes waits for whoever still holds them.
_AWAY = re.compile(r"(\([^()]*\)|[^;\n()]+)\s*(>>?\s*\S+\s+2>>?\s*\S+|&>>?\s*\S+)\s*&\s*$")
_COMMANDS = re.compile(r"[;\n|&(){}`]+")
_BEFORE = r"(?:(?:if|then|elif|else|do|while|until|!|time|exec|sudo|env|nice|nohup|command)\s+|\w+=\S*\s+)*"
# They wait as long as the other side keeps the connection open, unless told otherwise.
_WAITS = re.compile(
    rf"\s*{_BEFORE}(?:\S*/)?(?:(?P<git>git)\b(?=.*\s(?:clone|pull|fetch|push|submodule|lfs|ls-remote)\b)"
    r"|(?P<gitpuller>gitpuller)\b|(?P<curl>curl)\b(?!.*\s(?:--max-time|-\w*m\s*\d))"
    r"|(?P<wget>wget)\b(?!.*\s(?:--timeout|-\w*T\s*\d)))"
)
_PLACES = (
    ("singleuser", "lifecycleHooks"),
    ("hub", "config", "KubeSpawner", "lifecycle_hooks"),
)


def blocking_hook(view: HubView) -> Iterator[RepositoryError]:
    """Kubernetes kills a container whose postStart hook fails, and waits for it: nobody's server starts."""
    for path, hooks in _hooks(view):
        handler = hooks.get("postStart") if isinstance(hooks, dict) else None
        command = (handler.get("exec") or {}).get("command") if isinstance(handler, dict) else None
        if handler and (why := judge_hook(command)):
            yield RepositoryError(
                "a postStart hook can keep servers from starting",
                where=view.place(*path, "postStart"),
                why=why,
                hint='Write command: ["sh", "-c", "... || true"], with timeout 60 before what goes over the network.',
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
    script = _bare(script)
    # What a subshell says of itself, it says of the hook where it is the last.
    own = script if script.rstrip().endswith(")") else _without_subshells(script)
    return bool(_HARMLESS.search(script)) and not (_STOPS_AT_ONCE.search(own) or _LEAVES.search(own))


def _waiting(script: str) -> str:
    """A program of the script that may wait for ever; empty where there is none."""
    here = _AWAY.sub("", _bare(script))
    found = (_WAITS.match(command) for command in _COMMANDS.split(here))
    return next((str(each.lastgroup) for each in found if each), "")


def _bare(script: str) -> str:
    """A script without comments, and with all that is quoted as underscores."""
    return _QUOTED_OR_COMMENT.sub(lambda found: "" if found["comment"] else "_" * len(found[0]), script)


def _without_subshells(script: str) -> str:
    while script != (inner := _SUBSHELL.sub("", script)):
        script = inner
    return script


def judge_hook(command: Any) -> str:
    """Why a command may keep a server from starting; empty where it cannot."""
    if not isinstance(command, list):
        return "it asks another program, and when that fails the server ends"
    words = [str(word) for word in command]
    if is_harmless(words):
        name = _waiting(words[2])
        return f"{name} may wait for ever for an answer, and the server with it" if name else ""
    if operators := sorted(_OPERATORS & {*words}):
        return f"{operators[0]} is an argument here, for there is no shell that reads it"
    return "when it fails (a full disk, a repository that is away), the server ends"


RULES = (
    Rule(
        "blocking-hook",
        "A postStart hook that fails, or does not end, keeps servers from starting.",
        blocking_hook,
    ),
)
