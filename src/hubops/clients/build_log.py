"""What a build printed, read for the one thing that matters when it fails: which step, where, and why."""

import re
from collections import deque
from collections.abc import Callable

from hubops.errors import BuildError, HubopsError, MachineError, OutOfReachError, RegistryError

_KEPT_LINES = 20
_STEP = re.compile(r"#(\d+) (?:[0-9]+\.[0-9]+ )?(.*)")
_PLACE = re.compile(r"Dockerfile:(\d+)")
# buildctl and buildx put it differently.
_ERROR = re.compile(r"(?:error|ERROR): (?:failed to build: )?(?:failed to solve: )?(.*)")
_EXIT_CODE = re.compile(r"did not complete successfully: exit code: (\d+)")
_DISK_FULL = "no space left on device"
_CUT = "failed to copy: unsupported offset"
_KILLED = "137"  # 128 + SIGKILL
_CREATE = (
    "docker buildx create --use --driver-opt network=host"
    " --buildkitd-flags '--allow-insecure-entitlement network.host'"
)

# BuildKit tells causes apart only in its text; the first that fits counts, the Dockerfile when none does.
_CAUSES: list[tuple[re.Pattern[str], type[HubopsError], str, str]] = [
    (
        re.compile(_DISK_FULL),
        MachineError,
        "the disk is full",
        "Make room, then run it again: finished steps are kept.",
    ),
    (
        re.compile(r"error: desc = |error reading from server|graceful_stop|code = Unavailable"),
        MachineError,
        "BuildKit went away",
        "Run it again: BuildKit is started when it does not answer.",
    ),
    (
        re.compile(
            r"unsupported frontend capability|exporter is not supported for|network\.host is not allowed"
        ),
        MachineError,
        "the builder of docker buildx cannot do what is needed",
        f"Update Docker to 23 or newer, or make a builder that can: {_CREATE}",
    ),
    (
        re.compile(r"failed to push .*(40[13]|denied|unauthorized|insufficient_scope)"),
        RegistryError,
        "the registry refuses the push",
        "Log in to it with docker login, as somebody who may push.",
    ),
    (
        # The first is what Debian's registry answers when its disk is full.
        re.compile(r"failed to push .*: unknown: |failed to push .*status.*: 5\d\d"),
        OutOfReachError,
        "the registry cannot store it",
        "See the registry's log, and whether its disk is full; then run it again: finished steps are kept.",
    ),
    (
        re.compile(r"failed to push"),
        OutOfReachError,
        "the registry cannot be reached",
        "Run it again when it answers: finished steps are kept.",
    ),
    (
        re.compile(r"failed to resolve source metadata"),
        OutOfReachError,
        "a base image cannot be had",
        "Check its name in the Dockerfile, and that its registry answers.",
    ),
    (
        re.compile(r"failed to fetch (oauth|anonymous) token.*: 40[13]"),
        RegistryError,
        "the registry refuses the login",
        "Log in to it with docker login, as somebody who may push.",
    ),
    (
        re.compile(r"failed to fetch (oauth|anonymous) token"),
        OutOfReachError,
        "the registry's token service cannot be reached",
        "Run it again when it answers: finished steps are kept.",
    ),
]


class BuildLog:
    """Takes the lines of `--progress=plain` one by one; keeps the last ones of each step, and passes all on."""

    def __init__(self, on_line: Callable[[str], None] = lambda _line: None) -> None:
        self._on_line = on_line
        self.begin_again()

    def begin_again(self) -> None:
        """Forget what was printed: the build is tried once more."""
        self._steps: dict[str, deque[str]] = {}
        self._failed = ""
        self._line = ""
        self._error = ""

    def add(self, line: str) -> None:
        self._on_line(line)
        if step := _STEP.fullmatch(line):
            number, text = step.groups()
            if text.startswith("ERROR: "):
                self._failed = number
            else:
                self._steps.setdefault(number, deque(maxlen=_KEPT_LINES)).append(text)
        elif place := _PLACE.fullmatch(line):
            self._line = place[1]
        elif error := _ERROR.fullmatch(line):
            self._error = error[1]

    @property
    def is_cut(self) -> bool:
        """Whether it failed over what an earlier build left when its disk was full or its BuildKit killed."""
        return _CUT in self._error

    @property
    def line(self) -> int:
        """The Dockerfile's line that failed; 0 when BuildKit names none."""
        return int(self._line or 0)

    def failure(self, image: str, dockerfile: str) -> HubopsError:
        """The error to raise: its class says whose fault it is, `why` ends with the failed step's output."""
        output = list(self._steps.get(self._failed, ()))
        exit_code = _EXIT_CODE.search(self._error)
        reason = f"the command ended with exit code {exit_code[1]}" if exit_code else self._error
        # Of the step's own output only this is trusted to say more than that the step failed.
        full = any(_DISK_FULL in line.lower() for line in output)
        found = _DISK_FULL if full else self._error
        kind, cause, hint = next(
            ((kind, cause, hint) for text, kind, cause, hint in _CAUSES if text.search(found)),
            (BuildError, "", "Correct the Dockerfile."),
        )
        if not cause and exit_code and exit_code[1] == _KILLED:
            hint = "It was killed: most often the memory ran out."
        return kind(
            f"the image {image} was not built" + (f": {cause}" if cause else ""),
            where=f"{dockerfile}:{self._line}" if self._line else dockerfile,
            why="\n".join([*output, reason]),
            hint=hint,
        )
