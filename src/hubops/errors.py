"""The one exception tree. Each class says whose fault it is; each error says what, where, why, what next."""


class HubopsError(Exception):
    """An expected failure, to be shown to a person without a traceback.

    Args:
        what: what did not work, one line.
        where: the object or file:line it is about.
        why: what was seen; may have several lines.
        hint: what to do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.what]
        parts += [f"{label}: {text}" for label, text in self._parts() if text]
        return "\n".join(parts)

    def _parts(self) -> list[tuple[str, str]]:
        return [("where", self.where), ("why", self.why), ("next", self.hint)]


class UsageError(HubopsError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class RepositoryError(HubopsError):
    """A file of the operations repository is wrong; nothing was touched.

    Args:
        rule: the name of the rule of `hubops check` that it breaks.
        hubs: the hubs that it is about, where its place does not tell all of them.
    """

    exit_code = 20

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        hint: str = "",
        rule: str = "",
        hubs: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, where=where, why=why, hint=hint)
        self.rule = rule
        self.hubs = hubs


class RefusedError(HubopsError):
    """A rule forbids it (a proof is missing, the wrong cluster answers); nothing was touched."""

    exit_code = 20


class MachineError(HubopsError):
    """This machine lacks something: a tool, a right, disk, a port."""


class ProgramError(HubopsError):
    """An outside program failed; `why` ends with the last lines it printed."""


class OutOfReachError(HubopsError):
    """A service did not answer or answered that it cannot tell. Never means absent."""


class ClusterError(HubopsError):
    """The Kubernetes API refused a request."""


class RegistryError(HubopsError):
    """The image registry refused a request."""


class StoreError(HubopsError):
    """The object store refused a request, or has no room."""


class BuildError(HubopsError):
    """An image could not be built, or does not do what it must; the Dockerfile or its context is at fault."""


class ReleaseError(HubopsError):
    """A release did not become ready."""


class HubError(HubopsError):
    """The hub's own API refused a request, or a person could not work on the hub."""


class SkippedError(HubopsError):
    """It was not tried, because what it needs had failed."""


class RolledBackError(HubopsError):
    """A deploy failed, and what was proved before is back."""

    exit_code = 30
