"""The chart's values and secrets inside the hub's pod.

The module's name and its functions are those that `hub.extraConfig` snippets know from the upstream chart.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from lookup import at, merged

# Where the chart mounts Secret `hub`. Another place is for running the configuration outside a cluster.
SECRET = Path(os.environ.get("HUB_SECRET_DIRECTORY", "/usr/local/etc/jupyterhub/secret"))
# hub.existingSecret, which somebody else keeps; it wins.
EXISTING = SECRET.with_name("existing-secret")
# The objects whose names are not what upstream's short names say.
_NAMES = {"hub-pvc": "hub-db-dir", "hub-serviceaccount": "hub", "ingress": "jupyterhub"}
_PORTS = {"hub": "8081", "proxy-api": "8001", "proxy-public": "80"}


@cache
def load_values() -> dict[str, Any]:
    """The values that concern the hub, with `Chart` and `Release`. Read once: a change restarts the pod."""
    return read_values()


def read_values() -> dict[str, Any]:
    """The values as they are now.

    The chart writes them as JSON, which is YAML too: in Helm's YAML a million is `1e+06`, to Python a string.
    """
    values: dict[str, Any] = json.loads((SECRET / "values.yaml").read_text())
    above = EXISTING / "values.yaml"
    return merged(values, _parse_yaml(above.read_text())) if above.exists() else values


def _parse_yaml(text: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - comes with KubeSpawner; most hubs never need it here

    return yaml.safe_load(text) or {}


def last_changed() -> int:
    """When the file of the values was written (ns): asking costs nothing, and parsing a large one many milliseconds."""
    return (SECRET / "values.yaml").stat().st_mtime_ns


def read_allowed() -> frozenset[str]:
    """The names in `hub.config.Authenticator.allowed_users` as they are now."""
    return frozenset(at(read_values(), "hub.config.Authenticator.allowed_users") or ())


def get_config(key: str, default: Any = None) -> Any:
    """The value at a dotted path, or `default` where the path leads nowhere.

    Raises:
        LookupError: the chart does not hand this value to the hub, which a change of it would restart.
    """
    value: Any = load_values()
    for hidden in value.get("NotGiven", ()):
        if f"{key}.".startswith(f"{hidden}."):
            raise LookupError(f"{hidden} is not given to the hub; put what a snippet needs under custom")
    for name in key.split("."):
        if not isinstance(value, dict) or name not in value:
            return default
        value = value[name]
    return value


def set_config_if_not_none(section: Any, trait: str, key: str) -> None:
    """Set a trait from the value at `key`, unless there is none."""
    value = get_config(key)
    if value is not None:
        setattr(section, trait, value)


def get_name(name: str) -> str:
    """The name of one of the chart's objects; all are fixed, for one namespace holds one hub, but for `priority`."""
    return get_config("Names.priorityClass", name) if name == "priority" else _NAMES.get(name, name)


def get_name_env(name: str, suffix: str = "") -> str:
    """Where one of the chart's Services is: its `_SERVICE_HOST` or `_SERVICE_PORT`, for which upstream looks in the environment."""
    return {"_SERVICE_HOST": name, "_SERVICE_PORT": _PORTS[name]}[suffix]


def get_secret_value(key: str, default: str | None = None) -> str | None:
    """A key of hub.existingSecret, else of Secret `hub`, or `default` where neither has it."""
    for path in (EXISTING / key, SECRET / key):
        if path.exists():
            return path.read_text()
    return default
