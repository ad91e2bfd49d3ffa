"""Reading an operations repository: the one module of this stage that reads files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hubops.desired.model import Cluster, Fleet, Hub, People, Values
from hubops.desired.yaml import Document, parse_yaml
from hubops.errors import RepositoryError
from hubops.names import did_you_mean, is_dns_label

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


def load_fleet(root: Path) -> Fleet:
    """Every hub of the repository at `root`, all files parsed once.

    Raises:
        RepositoryError: a file is missing or wrong, with file:line:column.
    """
    document = _read(root, "hubops.yaml", _FLEET_KEYS, required=True)
    settings = document.value
    clusters = {name: _cluster(name, document) for name in settings.get("clusters", {})}
    directories = sorted(path for path in (root / "hub-charts").glob("*") if path.is_dir())
    hubs = {path.name: _hub(root, path, clusters) for path in directories}
    for hub in hubs.values():
        if hub.proved_by and hub.proved_by not in hubs:
            _refuse(f"{hub.name} is proved by {hub.proved_by}, which is no hub", _file(hub, "hub.yaml"), hubs)
    return Fleet(
        root=root,
        registry=settings.get("registry", ""),
        image_name=settings.get("image-name", "{name}"),
        hubs=hubs,
        images={path.parent.name: path.parent for path in sorted(root.glob("*images/*/Dockerfile"))},
    )


def load_values(root: Path, name: str) -> Values:
    """A file of values/, empty when it is not there.

    Raises:
        RepositoryError: it is not YAML, or no mapping.
    """
    values: Values = _read(root, f"values/{name}.yaml").value
    return values


def _hub(root: Path, directory: Path, clusters: Mapping[str, Cluster]) -> Hub:
    name, relative = directory.name, f"hub-charts/{directory.name}"
    if not is_dns_label(name):
        raise RepositoryError(
            f"{name} cannot name a hub", where=relative, hint="Use lower-case letters, digits, -."
        )
    chart = _read(root, f"{relative}/Chart.yaml", required=True)
    document = _read(root, f"{relative}/hub.yaml", _HUB_KEYS)
    own, people = document.value, _read(root, f"{relative}/people.yaml", _PEOPLE_KEYS).value
    cluster = _require(own.get("cluster", "local"), clusters, document.place("cluster"))
    stage = own.get("stage", "production")
    _require(stage, {known: known for known in STAGES}, document.place("stage"))
    return Hub(
        name=name,
        directory=directory,
        stage=stage,
        cluster=cluster,
        image=own.get("image", name),
        release=own.get("release", name),
        namespace=own.get("namespace", name),
        path=_path(own.get("url", ""), name),
        prefix=_prefix(chart),
        values=_read(root, f"{relative}/values.yaml").value,
        layers=tuple(
            load_values(root, n) for n in ("organisation", f"clusters/{cluster.name}", f"stages/{stage}")
        ),
        people=People(tuple(people.get("admins", ())), tuple(people.get("allowed", ()))),
        proved_by=own.get("proved-by", ""),
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
    own = document.value["clusters"][name] or {}
    _check_keys(document, own, _CLUSTER_KEYS, ("clusters", name))
    gke = own.get("gke")
    if gke:
        _check_keys(document, gke, _GKE_KEYS, ("clusters", name, "gke"))
    kinds = [key for key in ("local", "kubeconfig-context", "gke") if own.get(key)]
    if len(kinds) != 1:
        raise RepositoryError(
            f"the cluster {name} needs exactly one of local, kubeconfig-context, gke",
            where=document.place("clusters", name),
        )
    context = (
        f"gke_{gke['project']}_{gke['location']}_{gke['cluster']}"
        if gke
        else own.get("kubeconfig-context", "")
    )
    return Cluster(name, bool(own.get("local")), context, own.get("url", "").rstrip("/"))


def _read(
    root: Path, name: str, keys: Mapping[str, type] | None = None, *, required: bool = False
) -> Document:
    """A file that holds a mapping; an absent or empty one holds an empty mapping."""
    file = root / name
    if not file.is_file():
        if required:
            raise RepositoryError(f"{name} is missing", where=str(root), hint="Every hub needs a Chart.yaml.")
        return Document(name, {}, {})
    document = parse_yaml(file.read_text(), name)
    if document.value is None:
        return Document(name, {}, {})
    if not isinstance(document.value, dict):
        raise RepositoryError(f"{name} must hold keys and values", where=document.place())
    if keys is not None:
        _check_keys(document, document.value, keys, ())
    return document


def _check_keys(document: Document, found: Any, keys: Mapping[str, type], path: tuple[str, ...]) -> None:
    if not isinstance(found, dict):
        raise RepositoryError(f"{path[-1]} must hold keys and values", where=document.place(*path))
    for key, value in found.items():
        if key not in keys:
            _refuse(f"unknown key {key}", document.place(*path, key), keys)
        if value is not None and not isinstance(value, keys[key]):
            what = f"{key} must be a {keys[key].__name__}, not {value!r}"
            raise RepositoryError(what, where=document.place(*path, key), hint="Quote it if it is a text.")


def _require(name: str, known: Mapping[str, Any], where: str) -> Any:
    if name not in known:
        _refuse(f"there is no {name}", where, known)
    return known[name]


def _refuse(what: str, where: str, known: Mapping[str, Any]) -> None:
    wrong = what.rsplit(" ", 1)[-1]
    raise RepositoryError(what, where=where, hint=did_you_mean(wrong, known))


def _file(hub: Hub, name: str) -> str:
    return f"hub-charts/{hub.directory.name}/{name}"
