"""Long output as CI systems fold it: a heading that opens."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum

from hubops import digest

_CLEAR = "\x1b[0K"


class Forge(Enum):
    """Whose log it is that somebody will read."""

    GITHUB = "GITHUB_ACTIONS"
    GITLAB = "GITLAB_CI"
    TRAVIS = "TRAVIS"


def find_forge(environment: Mapping[str, str]) -> Forge | None:
    """By the variable that each sets to true; None outside CI, and where no way to fold is known."""
    return next((forge for forge in Forge if environment.get(forge.value) == "true"), None)


def format_group(forge: Forge, title: str, lines: Iterable[str], began_s: float, ended_s: float) -> list[str]:
    """The lines below a heading, closed; times in seconds since 1970."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", title)
    match forge:
        case Forge.GITHUB:
            # What a build prints is no command to the runner: between these it obeys none.
            token = f"hubops-{digest.of_parts([title, str(began_s)])[:20]}"
            return [f"::group::{title}", f"::stop-commands::{token}", *lines, f"::{token}::", "::endgroup::"]
        case Forge.GITLAB:
            begin = f"{_CLEAR}section_start:{began_s:.0f}:{name}[collapsed=true]\r{_CLEAR}{title}"
            return [begin, *lines, f"{_CLEAR}section_end:{ended_s:.0f}:{name}\r{_CLEAR}"]
        case Forge.TRAVIS:
            begin = f"travis_fold:start:{name}\r{_CLEAR}{title}"
            return [begin, *lines, f"travis_fold:end:{name}\r{_CLEAR}"]
