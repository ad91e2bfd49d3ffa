"""Reading an operations repository: the one module of this stage that reads files."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hubops.desired.model import Cluster, Fleet, Hub, People, Values
from hubops.desired.yaml import Document, parse_yaml
from hubops.errors import RepositoryError
from hubops.names import did_you_mean, is_dns_label

SETTINGS = "hubops.yaml"
STAGES = ("staging", "production")
_FLEET_KEYS = {"registry": str, "image-name": str, "clusters": dict}
_CLUSTER_KEYS = {"local": bool, "kubeconfig-context": str, "gke": dict, "url": str}
_GKE_KEYS = {"project": str, "location": str, "cluster": str}
_HUB_KEYS = {
    "stage": str,
    "cluster": str,
    "image": str,
    "proved-by": str,
    "release": str,
    "namespace": str,
    "url": str,
}
_PEOPLE_KEYS = {"admins": list, "allowed": list}
_KINDS = {str: "a text (quote it)", bool: "true or false", dict: "keys and values", list: "a list"}


def load_fleet(root: Path) -> Fleet:
    """Every hub of the repository at `root`; no file is read twice.

    Raises:
        RepositoryError: a file is missing or wrong, with file:line:column.
    """
    if not (root / SETTINGS).is_file():
        hint = "Run this in an operations repository."
        raise RepositoryError(f"there is no {SETTINGS} here", where=str(root), hint=hint)
    document = _read(root, SETTINGS, _FLEET_KEYS)
    clusters = {name: _cluster(name, document) for name in document.value.get("clusters", {})}
    images = _images(root)
    directories = sorted(path for path in (root / "hub-charts").glob("*") if path.is_dir())
    fleet = Fleet(
        root=root,
        registry=document.value.get("registry", ""),
        image_name=_image_name(document),
        hubs={},
        images=images,
    )
    layers = cache(partial(load_values, root))
    own = {path: _read(root, f"hub-charts/{path.name}/hub.yaml", _HUB_KEYS) for path in directories}
    hubs = {path.name: _hub(fleet, path, own[path], clusters, layers) for path in directories}
    for hub in hubs.values():
        _check_proof(hub, hubs, own[hub.directory])
    return replace(fleet, hubs=hubs)


def load_values(root: Path, name: str) -> Values:
    """A file of values/, empty when it is not there.

    Raises:
        RepositoryError: it is not YAML, or no mapping.
    """
    values: Values = _read(root, f"values/{name}.yaml").value
    return values


def _images(root: Path) -> dict[str, Path]:
    images: dict[str, Path] = {}
    for dockerfile in sorted(root.glob("*images/*/Dockerfile")):
        directory = dockerfile.parent
        if directory.name in images:
            other = images[directory.name].relative_to(root)
            raise RepositoryError(
                f"two images have the name {directory.name}",
                where=f"{directory.relative_to(root)} and {other}",
            )
        images[directory.name] = directory
    return images


def _image_name(document: Document) -> str:
    pattern: str = document.value.get("image-name", "{name}")
    if "{name}" not in pattern or set("{}") & set(pattern.replace("{name}", "")):
        hint = "Write for example: my-hubs/{name}"
        raise RepositoryError(
            "image-name needs {name} where an image's name goes, and no other braces",
            where=document.place("image-name"),
            hint=hint,
        )
    return pattern


def _hub(
    fleet: Fleet,
    directory: Path,
    document: Document,
    clusters: Mapping[str, Cluster],
    layers: Callable[[str], Values],
) -> Hub:
    root, name, relative = fleet.root, directory.name, f"hub-charts/{directory.name}"
    if not is_dns_label(name):
        raise RepositoryError(
            f"{name} cannot name a hub", where=relative, hint="Use lower-case letters, digits, -."
        )
    if not (directory / "Chart.yaml").is_file():
        hint = "Say which JupyterHub chart it uses, or remove the directory."
        raise RepositoryError(f"the hub {name} has no Chart.yaml", where=relative, hint=hint)
    own = document.value
    cluster = _require("cluster", own.get("cluster", "local"), clusters, document)
    stage = own.get("stage", "production")
    _require("stage", stage, dict.fromkeys(STAGES), document)
    for key in ("release", "namespace"):
        if not is_dns_label(own.get(key, name)):
            raise RepositoryError(f"{own[key]!r} cannot be a {key}", where=document.place(key))
    if "image" in own:
        _require("image", own["image"], fleet.images, document)
    return Hub(
        name=name,
        directory=directory,
        stage=stage,
        cluster=cluster,
        image=own.get("image", name if name in fleet.images else ""),
        release=own.get("release", name),
        namespace=own.get("namespace", name),
        path=_path(own.get("url", ""), name),
        prefix=_prefix(_read(root, f"{relative}/Chart.yaml")),
        values=_read(root, f"{relative}/values.yaml").value,
        layers=tuple(layers(n) for n in ("organisation", f"clusters/{cluster.name}", f"stages/{stage}")),
        people=_people(_read(root, f"{relative}/people.yaml", _PEOPLE_KEYS)),
        proved_by=own.get("proved-by", ""),
    )


def _people(document: Document) -> People:
    for key, names in document.value.items():
        for number, name in enumerate(names):
            if not isinstance(name, str) or not name:
                raise RepositoryError(
                    f"{name!r} is not a person's name", where=document.place(key, number), hint="Quote it."
                )
    people = document.value
    return People(tuple(people.get("admins", ())), tuple(people.get("allowed", ())))


def _check_proof(hub: Hub, hubs: Mapping[str, Hub], document: Document) -> None:
    if not hub.proved_by:
        return
    prover: Hub = _require("proved-by", hub.proved_by, hubs, document)
    if prover.stage != "staging":
        raise RepositoryError(
            f"{hub.name} is proved by {prover.name}, which is not a staging hub",
            where=document.place("proved-by"),
        )


def _path(url: str, name: str) -> str:
    return "/" + path + "/" if (path := urlsplit(url).path.strip("/")) else "/" if url else f"/{name}/"


def _prefix(chart: Document) -> str:
    """The key under which values reach JupyterHub's chart: its alias or name as a dependency."""
    for dependency in chart.value.get("dependencies") or []:
        if dependency.get("name") == "jupyterhub":
            return str(dependency.get("alias", "jupyterhub"))
    return ""


def _cluster(name: str, document: Document) -> Cluster:
    own = _check_keys(document, document.value["clusters"][name], _CLUSTER_KEYS, ("clusters", name))
    place = document.place("clusters", name)
    kinds = [key for key in ("local", "kubeconfig-context", "gke") if own.get(key)]
    if len(kinds) != 1:
        what = f"the cluster {name} needs exactly one of local: true, kubeconfig-context, gke"
        raise RepositoryError(what, where=place)
    context = own.get("kubeconfig-context", "")
    if "gke" in own:
        gke = _check_keys(document, own["gke"], _GKE_KEYS, ("clusters", name, "gke"))
        if missing := [key for key in _GKE_KEYS if not gke.get(key)]:
            raise RepositoryError(f"the cluster {name} lacks {', '.join(missing)}", where=place)
        context = f"gke_{gke['project']}_{gke['location']}_{gke['cluster']}"
    return Cluster(name, bool(own.get("local")), context, own.get("url", "").rstrip("/"))


def _read(root: Path, name: str, keys: Mapping[str, type] | None = None) -> Document:
    """A file that holds a mapping; an absent or empty one holds an empty mapping."""
    file = root / name
    document = parse_yaml(file.read_bytes(), name) if file.is_file() else Document(name, None, {})
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        raise RepositoryError(f"{name} must hold keys and values", where=document.place())
    return replace(document, value=value if keys is None else _check_keys(document, value, keys, ()))


def _check_keys(
    document: Document, found: Any, keys: Mapping[str, type], path: tuple[str, ...]
) -> dict[str, Any]:
    """What is found, without the keys that have no value."""
    if not isinstance(found, dict):
        if found is None:
            return {}
        raise RepositoryError(f"{path[-1]} must hold keys and values", where=document.place(*path))
    for key, value in found.items():
        if key not in keys:
            raise RepositoryError(
                f"unknown key {key}", where=document.place(*path, key), hint=did_you_mean(key, keys)
            )
        if value is not None and not isinstance(value, keys[key]):
            raise RepositoryError(
                f"{key} must be {_KINDS[keys[key]]}, not {value!r}", where=document.place(*path, key)
            )
    return {key: value for key, value in found.items() if value is not None}


def _require(key: str, name: str, known: Mapping[str, Any], document: Document) -> Any:
    if name not in known:
        what = f"there is no {'hub' if key == 'proved-by' else key} {name}"
        raise RepositoryError(what, where=document.place(key), hint=did_you_mean(name, known))
    return known[name]
