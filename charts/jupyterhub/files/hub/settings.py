"""From the chart's values to JupyterHub's settings: a pure function, so that a table can test it."""

from collections.abc import Callable
from typing import Any

from hub_services import render_services
from lookup import Values, at, traits
from user_servers import render_kubespawner, render_spawner

HUB_URL = "http://hub:8081"  # the Services' names, which are fixed: one namespace holds one hub
PROXY_API_URL = "http://proxy-api:8001"

Settings = dict[str, dict[str, Any]]
Secrets = Callable[[str], str | None]

_SQLITE = {"sqlite-pvc": "sqlite:///jupyterhub.sqlite", "sqlite-memory": "sqlite://"}
_TRAITS = {
    "active_server_limit": "activeServerLimit",
    "allow_named_servers": "allowNamedServers",
    "authenticate_prometheus": "authenticatePrometheus",
    "base_url": "baseUrl",
    "concurrent_spawn_limit": "concurrentSpawnLimit",
    "named_server_limit_per_user": "namedServerLimitPerUser",
    "redirect_to_server": "redirectToServer",
    "shutdown_on_logout": "shutdownOnLogout",
    "template_paths": "templatePaths",
    "template_vars": "templateVars",
}


def render_settings(values: Values, secret: Secrets, namespace: str) -> Settings:
    """Sections of traits, in the chart's order of precedence: `hub.config` wins over what the chart sets.

    Args:
        values: as the chart's Secret has them.
        secret: gives a key of the hub's Secrets, or None.
        namespace: where the user servers run.
    """
    settings: Settings = {
        "JupyterHub": {**_hub(values), **render_services(values, secret)},
        "ConfigurableHTTPProxy": {"api_url": PROXY_API_URL, "should_start": False},  # and so WatchedProxy
        "Spawner": render_spawner(values),
        "KubeSpawner": render_kubespawner(values, namespace),
    }
    if at(values, "debug.enabled"):
        settings["JupyterHub"]["log_level"] = "DEBUG"
        settings["Spawner"]["debug"] = True
    for section, configured in (at(values, "hub.config") or {}).items():
        settings.setdefault(section, {}).update(configured or {})
    return _with_secrets(settings, secret)


def render_environment(values: Values, secret: Secrets) -> dict[str, str]:
    """Variables that the hub's process needs: the password of its database."""
    password = secret("hub.db.password")
    return {"PGPASSWORD": password} if password and at(values, "hub.db.type") == "postgres" else {}


def _hub(values: Values) -> dict[str, Any]:
    kind = at(values, "hub.db.type")
    return {
        "spawner_class": "home_spawner.KubeSpawner",
        "proxy_class": "watched_proxy.WatchedProxy",
        "db_url": _SQLITE.get(kind) or at(values, "hub.db.url"),
        "hub_bind_url": "http://:8081",
        "hub_connect_url": HUB_URL,
        # A restart of the hub leaves people's servers running, and finds them again.
        "cleanup_servers": False,
        # How often the proxy's routes are compared: a restarted proxy knows none (seconds).
        "last_activity_interval": 60,
        # Who starts a server sees its progress at once instead of a page that loads for 10 s.
        "tornado_settings": {"slow_spawn_timeout": 0},
        **traits(at(values, "hub"), _TRAITS),
    }


def _with_secrets(settings: Settings, secret: Secrets) -> Settings:
    """The keys of encryption; the proxy's token comes as CONFIGPROXY_AUTH_TOKEN, and only so."""
    settings["ConfigurableHTTPProxy"].pop("auth_token", None)
    settings["JupyterHub"]["cookie_secret"] = secret("hub.config.JupyterHub.cookie_secret")
    keys = secret("hub.config.CryptKeeper.keys") or ""
    settings.setdefault("CryptKeeper", {})["keys"] = keys.split(";")
    return settings
