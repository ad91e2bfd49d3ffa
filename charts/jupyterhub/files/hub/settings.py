"""From the chart's values to JupyterHub's settings: a pure function, so that a table can test it."""

from collections.abc import Callable, Mapping
from typing import Any

HUB_URL = "http://hub:8081"  # the Services' names, which are fixed: one namespace holds one hub
PROXY_API_URL = "http://proxy-api:8001"

# What "restricted" asks of a pod beyond `allowPrivilegeEscalation` (Kubernetes' pod security standards).
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY = {"capabilities": {"drop": ["ALL"]}}

Values = Mapping[str, Any]
Settings = dict[str, dict[str, Any]]

_DATABASES = {"sqlite-pvc": "sqlite:///jupyterhub.sqlite", "sqlite-memory": "sqlite://"}

# Traits that a value sets as it is; a value of null leaves JupyterHub's own default.
_HUB_TRAITS = {
    "active_server_limit": "activeServerLimit",
    "allow_named_servers": "allowNamedServers",
    "base_url": "baseUrl",
    "concurrent_spawn_limit": "concurrentSpawnLimit",
    "named_server_limit_per_user": "namedServerLimitPerUser",
    "redirect_to_server": "redirectToServer",
    "shutdown_on_logout": "shutdownOnLogout",
    "template_paths": "templatePaths",
    "template_vars": "templateVars",
}
_SPAWNER_TRAITS = {
    "cmd": "cmd",
    "cpu_guarantee": "cpu.guarantee",
    "cpu_limit": "cpu.limit",
    "default_url": "defaultUrl",
    "environment": "extraEnv",
    "extra_annotations": "extraAnnotations",
    "extra_labels": "extraLabels",
    "fs_gid": "fsGid",
    "image_pull_policy": "image.pullPolicy",
    "lifecycle_hooks": "lifecycleHooks",
    "mem_guarantee": "memory.guarantee",
    "mem_limit": "memory.limit",
    "node_selector": "nodeSelector",
    "profile_list": "profileList",
    "start_timeout": "startTimeout",
    "tolerations": "extraTolerations",
    "uid": "uid",
}
_CLAIM_TRAITS = {
    "pvc_name_template": "dynamic.pvcNameTemplate",
    "storage_access_modes": "dynamic.storageAccessModes",
    "storage_capacity": "capacity",
    "storage_class": "dynamic.storageClass",
}
# Switches of the culler's command line, and what the API must allow it (the culler's own documentation).
_CULL_OPTIONS = {
    "timeout": "timeout",
    "cull-every": "every",
    "concurrency": "concurrency",
    "max-age": "maxAge",
    "cull-users": "users",
    "cull-admin-users": "adminUsers",
    "remove-named-servers": "removeNamedServers",
}
_CULL_SCOPES = ["list:users", "read:users:activity", "read:servers", "delete:servers"]


def render_settings(values: Values, secret: Callable[[str], str | None], namespace: str) -> Settings:
    """Sections of traits, in the chart's order of precedence: `hub.config` wins over what the chart sets.

    Args:
        values: as the chart's Secret has them.
        secret: gives a key of the chart's Secret, or None.
        namespace: where the user servers run.
    """
    settings: Settings = {
        "JupyterHub": _hub(values),
        "ConfigurableHTTPProxy": {"api_url": PROXY_API_URL, "should_start": False},
        "Spawner": _present({"consecutive_failure_limit": _at(values, "hub.consecutiveFailureLimit")}),
        "KubeSpawner": _spawner(values, namespace),
    }
    settings["JupyterHub"].update(_services_and_roles(values, secret))
    if _at(values, "debug.enabled"):
        settings["JupyterHub"]["log_level"] = "DEBUG"
        settings["Spawner"]["debug"] = True
    for section, traits in (_at(values, "hub.config") or {}).items():
        settings.setdefault(section, {}).update(traits or {})
    return _with_secrets(settings, secret)


def _hub(values: Values) -> dict[str, Any]:
    return {
        "spawner_class": "kubespawner.KubeSpawner",
        "db_url": _DATABASES[_at(values, "hub.db.type")],
        "hub_bind_url": "http://:8081",
        "hub_connect_url": HUB_URL,
        # A restart of the hub leaves people's servers running, and finds them again.
        "cleanup_servers": False,
        # How often the proxy's routes are compared: a restarted proxy knows none (seconds).
        "last_activity_interval": 60,
        # Who starts a server sees its progress at once instead of a page that loads for 10 s.
        "tornado_settings": {"slow_spawn_timeout": 0},
        **_traits(_at(values, "hub"), _HUB_TRAITS),
    }


def _spawner(values: Values, namespace: str) -> dict[str, Any]:
    user = values["singleuser"]
    return {
        "namespace": namespace,
        "image": _image(user["image"]),
        "image_pull_secrets": list(_at(values, "imagePullSecrets") or []),
        "common_labels": _common_labels(values),
        # Work outlives the server, and the person: KubeSpawner would delete the volume with the user.
        "delete_pvc": False,
        "pod_security_context": POD_SECURITY,
        "container_security_context": CONTAINER_SECURITY,
        "allow_privilege_escalation": False,
        "automount_service_account_token": False,
        # Names of other Services in the environment help nobody, and slow a shell where there are many.
        "extra_pod_config": {"enableServiceLinks": False},
        **_traits(user, _SPAWNER_TRAITS),
        **_storage(user["storage"]),
    }


def _image(image: Values) -> str:
    return ":".join(part for part in (image["name"], image.get("tag")) if part)


def _common_labels(values: Values) -> dict[str, str]:
    """The labels by which the upstream chart, too, finds user servers and their volumes."""
    chart, release = values["Chart"], values["Release"]["Name"]
    versioned = f"{chart['Name']}-{chart['Version'].replace('+', '_')}"
    return {
        "app": chart["Name"],
        "release": release,
        "chart": versioned,
        "app.kubernetes.io/name": chart["Name"],
        "app.kubernetes.io/instance": release,
        "helm.sh/chart": versioned,
        "app.kubernetes.io/managed-by": "kubespawner",
    }


def _storage(storage: Values) -> dict[str, Any]:
    volumes = _named(storage.get("extraVolumes"))
    mounts = _named(storage.get("extraVolumeMounts"))
    if storage["type"] == "none":
        return {"volumes": volumes, "volume_mounts": mounts}
    home = storage["dynamic"]["volumeNameTemplate"]
    return {
        "storage_pvc_ensure": True,
        # First the home, as upstream: KubeSpawner goes by the keys' order, which "0" begins.
        "volumes": {
            "0-home": {"name": home, "persistentVolumeClaim": {"claimName": "{pvc_name}"}},
            **volumes,
        },
        "volume_mounts": {"0-home": {"name": home, "mountPath": storage["homeMountPath"]}, **mounts},
        **_traits(storage, _CLAIM_TRAITS),
    }


def _named(items: Any) -> dict[str, Any]:
    """Volumes or mounts by key; those of a list get keys that keep its order."""
    if isinstance(items, list):
        return {f"{index:03}-{item['name']}": item for index, item in enumerate(items, start=1)}
    return dict(items or {})


def _services_and_roles(values: Values, secret: Callable[[str], str | None]) -> dict[str, Any]:
    services = [
        _service(name, service, secret(f"hub.services.{name}.apiToken"))
        for name, service in (_at(values, "hub.services") or {}).items()
    ]
    roles = [{"name": name, **role} for name, role in (_at(values, "hub.loadRoles") or {}).items()]
    if _at(values, "cull.enabled"):
        services.append(_culler(values))
        roles.append(_culler_role(values))
    return {"services": services, "load_roles": roles}


def _service(name: str, service: Values, token: str | None) -> dict[str, Any]:
    own = {key: value for key, value in service.items() if key not in ("apiToken", "api_token")}
    return {"name": name, **own, **({"api_token": token} if token else {})}


def _culler(values: Values) -> dict[str, Any]:
    base_url = "/" + str(_at(values, "hub.baseUrl")).strip("/")
    url = f"http://localhost:8081{base_url.rstrip('/')}/hub/api"
    options = {option: _at(values, f"cull.{key}") for option, key in _CULL_OPTIONS.items()}
    switches = [f"--{option}={_switch(value)}" for option, value in options.items() if value is not None]
    command = ["python3", "-m", "jupyterhub_idle_culler", f"--url={url}", *switches]
    return {"name": "jupyterhub-idle-culler", "command": command}


def _switch(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _culler_role(values: Values) -> dict[str, Any]:
    more = ["admin:users"] if _at(values, "cull.users") else []
    name = "jupyterhub-idle-culler"
    return {"name": name, "scopes": [*_CULL_SCOPES, *more], "services": [name]}


def _with_secrets(settings: Settings, secret: Callable[[str], str | None]) -> Settings:
    """The keys of encryption; the proxy's token comes as CONFIGPROXY_AUTH_TOKEN, and only so."""
    settings["ConfigurableHTTPProxy"].pop("auth_token", None)
    settings["JupyterHub"]["cookie_secret"] = secret("hub.config.JupyterHub.cookie_secret")
    keys = secret("hub.config.CryptKeeper.keys") or ""
    settings.setdefault("CryptKeeper", {})["keys"] = keys.split(";")
    return settings


def _traits(values: Values, names: Mapping[str, str]) -> dict[str, Any]:
    return _present({trait: _at(values, key) for trait, key in names.items()})


def _present(traits: dict[str, Any]) -> dict[str, Any]:
    return {trait: value for trait, value in traits.items() if value is not None}


def _at(values: Values, key: str) -> Any:
    """The value at a dotted path; None where the path leads nowhere."""
    value: Any = values
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
