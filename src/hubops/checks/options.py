"""Settings of hub.config that JupyterHub does not know: it goes on without them, and the edit did nothing."""

import re

from hubops.checks.judge import is_over
from hubops.clients.kube import Kube
from hubops.errors import HubError
from hubops.secret import Redactor

_LOG_LINES = 3000  # a hub that just started has some hundred
# traitlets' words (Configurable._load_config), with its "Did you mean" behind them.
_UNKNOWN = re.compile(r"Config option `([^`]*)` not recognized by `([^`]*)`\.?(.*)")


async def refuse_unknown_options(kube: Kube, namespace: str, redactor: Redactor) -> None:
    """Read what the hub said at its start.

    Raises:
        HubError: names each setting that no class of JupyterHub has.
    """
    pods, _ = await kube.list(f"/api/v1/namespaces/{namespace}/pods", labels="component=hub")
    said = [
        await kube.logs(namespace, pod["metadata"]["name"], "hub", lines=_LOG_LINES)
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp") and not is_over(pod)
    ]
    found = dict.fromkeys(_UNKNOWN.findall("\n".join(said)))
    if found:
        names = [f"{kind}.{option}{more.rstrip()}" for option, kind, more in found]
        raise HubError(
            f"JupyterHub does not know {redactor.mask(names[0])}",
            where="hub.config, or c.… in hub.extraConfig",
            why="\n".join(redactor.mask(name) for name in names),
            hint="Correct its name, or take it out: it has no effect.",
        )
