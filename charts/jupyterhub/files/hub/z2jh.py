"""The chart's values and secrets inside the hub's pod.

The module's name and its functions are those that `hub.extraConfig` snippets know from the upstream chart.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

# Where the chart mounts Secret `hub`. Another place is for running the configuration outside a cluster.
SECRET = Path(os.environ.get("HUB_SECRET_DIRECTORY", "/usr/local/etc/jupyterhub/secret"))


@cache
def load_values() -> dict[str, Any]:
    """The values that concern the hub, with `Chart` and `Release`. Read once: a change restarts the pod.

    The chart writes them as JSON, which is YAML too: in Helm's YAML a million is `1e+06`, to Python a string.
    """
    values: dict[str, Any] = json.loads((SECRET / "values.yaml").read_text())
    return values


def get_config(key: str, default: Any = None) -> Any:
    """The value at a dotted path, or `default` where the path leads nowhere."""
    value: Any = load_values()
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


def get_secret_value(key: str, default: str | None = None) -> str | None:
    """A key of Secret `hub`, or `default` where it has no such key."""
    path = SECRET / key
    return path.read_text() if path.exists() else default
