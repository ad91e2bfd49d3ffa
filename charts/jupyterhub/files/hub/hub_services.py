"""JupyterHub's services and roles: the operator's, and the idle culler."""

from collections.abc import Callable
from typing import Any

from lookup import Values, at

DIRECTORY = "/usr/local/etc/jupyterhub/config"  # where the chart mounts ConfigMap `hub`
_CULLER = "jupyterhub-idle-culler"
# What the API must allow it (the culler's own documentation).
_CULL_SCOPES = ["list:users", "read:users:activity", "read:servers", "delete:servers"]


def render_services(values: Values, secret: Callable[[str], str | None]) -> dict[str, Any]:
    """Traits of JupyterHub; `secret` gives a key of the hub's Secrets, or None."""
    services = [
        _service(name, service, secret(f"hub.services.{name}.apiToken"))
        for name, service in (at(values, "hub.services") or {}).items()
    ]
    roles = [{"name": name, **role} for name, role in (at(values, "hub.loadRoles") or {}).items()]
    if at(values, "cull.enabled"):
        services.append(_culler(values))
        roles.append(_culler_role(values))
    return {"services": services, "load_roles": roles}


def _service(name: str, service: Values, token: str | None) -> dict[str, Any]:
    own = {key: value for key, value in service.items() if key not in {"apiToken", "api_token"}}
    return {"name": name, **own, **({"api_token": token} if token else {})}


def _culler(values: Values) -> dict[str, Any]:
    """The culler with its options from a file, so that another timeout needs no other hub."""
    base_url = "/" + str(at(values, "hub.baseUrl")).strip("/")
    url = f"http://localhost:8081{base_url.rstrip('/')}/hub/api"
    follow = ["python3", f"{DIRECTORY}/follow.py", f"{DIRECTORY}/cull.json"]
    return {"name": _CULLER, "command": [*follow, "python3", "-m", "jupyterhub_idle_culler", f"--url={url}"]}


def _culler_role(values: Values) -> dict[str, Any]:
    more = ["admin:users"] if at(values, "cull.users") else []
    return {"name": _CULLER, "scopes": [*_CULL_SCOPES, *more], "services": [_CULLER]}
