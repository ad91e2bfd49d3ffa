"""The volumes of the servers people work on: homes, files of the chart, and more.

By the keys of the upstream chart, for profiles and dict-shaped volumes replace an entry by its key.
"""

from typing import Any

from lookup import Values, present, traits

FILES_SECRET = "singleuser"  # noqa: S105 - a name
_CLAIM_TRAITS = {
    "pvc_name_template": "dynamic.pvcNameTemplate",
    "storage_access_modes": "dynamic.storageAccessModes",
    "storage_capacity": "capacity",
    "storage_class": "dynamic.storageClass",
}


def render_storage(user: Values) -> dict[str, Any]:
    """Traits of KubeSpawner from the values below `singleuser`."""
    storage, files = user["storage"], user.get("extraFiles") or {}
    homes = {"dynamic": _own_volume, "static": _directory, "none": _no_home}[storage["type"]]
    volumes, mounts = homes(storage)
    return {
        "volumes": {**volumes, **_file_volume(files), **_volumes(storage.get("extraVolumes"))},
        "volume_mounts": {**mounts, **_file_mounts(files), **_mounts(storage.get("extraVolumeMounts"))},
        # A claim is made for each person where homes are made, and nowhere else.
        **({"storage_pvc_ensure": True, **traits(storage, _CLAIM_TRAITS)} if homes is _own_volume else {}),
    }


def _own_volume(storage: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    name = storage["dynamic"]["volumeNameTemplate"]
    return _home(name, "{pvc_name}", storage, storage["dynamic"].get("subPath"))


def _directory(storage: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    return _home("home", storage["static"]["pvcName"], storage, storage["static"]["subPath"])


def _no_home(_storage: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    return {}, {}


def _home(
    name: str, claim: str, storage: Values, directory: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    mount = present({"name": name, "mountPath": storage["homeMountPath"], "subPath": directory})
    return {name: {"name": name, "persistentVolumeClaim": {"claimName": claim}}}, {name: mount}


def _file_volume(files: Values) -> dict[str, Any]:
    if not files:
        return {}
    items = [present({"key": key, "path": key, "mode": file.get("mode")}) for key, file in files.items()]
    return {"files": {"name": "files", "secret": {"secretName": FILES_SECRET, "items": items}}}


def _file_mounts(files: Values) -> dict[str, Any]:
    return {
        f"{index}-files": {"name": "files", "mountPath": file["mountPath"], "subPath": key}
        for index, (key, file) in enumerate(files.items())
    }


def _volumes(items: Any) -> dict[str, Any]:
    """By key; those of a list by their names."""
    return {item["name"]: item for item in items} if isinstance(items, list) else dict(items or {})


def _mounts(items: Any) -> dict[str, Any]:
    """By key; a volume may be mounted twice, so those of a list have its number too."""
    if isinstance(items, list):
        return {f"{index}-{item['name']}": item for index, item in enumerate(items)}
    return dict(items or {})
