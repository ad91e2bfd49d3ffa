"""Is everything here that a deploy needs? Only asked, never changed."""

from collections.abc import Awaitable, Callable, Sequence

from hubops.clients.kube import Kube
from hubops.clients.registry import Registry
from hubops.errors import HubopsError, OutOfReachError
from hubops.events import Emit, step

Check = tuple[str, Callable[[], Awaitable[str]]]


async def require_all(checks: Sequence[Check], emit: Emit) -> None:
    """Make every check and tell of each; the first failure is raised when all were made.

    Raises:
        HubopsError: what the first failing check raised.
    """
    failures = []
    for title, check in checks:
        try:
            with step(emit, f"check {title}") as note:
                note.text = await check()
        except HubopsError as error:
            failures.append(error)
    if failures:
        raise failures[0]


async def check_registry(registry: Registry, host: str) -> str:
    """The registry answers.

    Raises:
        OutOfReachError: it does not.
    """
    fault = await registry.find_fault(host)
    if fault:
        raise OutOfReachError(
            f"the registry {host} does not answer", why=fault, hint="Start it or log in to it."
        )
    return host


async def check_cluster(kube: Kube) -> str:
    """The cluster answers; its version.

    Raises:
        OutOfReachError, ClusterError: it does not, or not to us.
    """
    return str((await kube.request("GET", "/version"))["gitVersion"])
