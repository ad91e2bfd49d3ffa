"""hubops.yaml: what all hubs of a repository share."""

import re

from hubops.desired.files import Files
from hubops.desired.keys import keys_of
from hubops.desired.model import Cluster, Keeping
from hubops.desired.yaml import Document
from hubops.errors import RepositoryError

SETTINGS = "hubops.yaml"
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")
_MINOR = re.compile(r"1\.[0-9]+")
_FLEET_KEYS = keys_of("hubops")
_CLUSTER_KEYS = keys_of("hubops", "clusters", "*")
_KEEPING_KEYS = keys_of("hubops", "prune")
_GKE_KEYS = keys_of("hubops", "clusters", "*", "gke")


def read_settings(files: Files) -> Document:
    """What hubops.yaml says."""
    return files.read(SETTINGS, _FLEET_KEYS)


def read_clusters(files: Files) -> dict[str, Cluster]:
    """The clusters by name."""
    document = read_settings(files)
    return {name: _cluster(files, name, document) for name in document.value.get("clusters", {})}


def read_registry(files: Files) -> str:
    """The registry, with a path in it or without; "" where nobody says."""
    document = read_settings(files)
    registry: str = document.value.get("registry", "")
    if not registry or _REGISTRY.fullmatch(registry):
        return registry
    what, place = f"{registry!r} is no address of a registry", document.place("registry")
    hint = "Write for example registry.example.org or registry.example.org:5000/hubs, without https://"
    files.refuse(SETTINGS, RepositoryError(what, where=place, hint=hint, rule="wrong-type"))
    return ""


def read_image_name(files: Files) -> str:
    """The pattern of the images' names: {name} stands where an image's name goes."""
    document = read_settings(files)
    pattern: str = document.value.get("image-name", "{name}")
    if "{name}" in pattern and not set("{}") & set(pattern.replace("{name}", "")):
        return pattern
    error = RepositoryError(
        "image-name needs {name} where an image's name goes, and no other braces",
        where=document.place("image-name"),
        hint="Write for example: my-hubs/{name}",
        rule="image-name",
    )
    files.refuse(SETTINGS, error)
    return "{name}"


def read_keeping(files: Files) -> Keeping:
    """For how long images are kept that nobody needs any more."""
    document = read_settings(files)
    own = files.known(document, document.value.get("prune"), _KEEPING_KEYS, ("prune",))
    for key, value in own.items():
        if value < 0:
            place = document.place("prune", key)
            error = RepositoryError(f"{key} must be 0 or more, not {value}", where=place, rule="wrong-type")
            files.refuse(SETTINGS, error)
            return Keeping()
    return Keeping(**{key.replace("-", "_"): value for key, value in own.items()})


def _cluster(files: Files, name: str, document: Document) -> Cluster:
    own = files.known(document, document.value["clusters"][name], _CLUSTER_KEYS, ("clusters", name))
    place = document.place("clusters", name)
    kinds = [key for key in ("local", "kubeconfig-context", "gke") if own.get(key)]
    if len(kinds) != 1:
        what = f"the cluster {name} needs exactly one of local: true, kubeconfig-context, gke"
        files.refuse(SETTINGS, RepositoryError(what, where=place, rule="incomplete-cluster"))
    context = own.get("kubeconfig-context", "")
    if "gke" in own:
        gke = files.known(document, own["gke"], _GKE_KEYS, ("clusters", name, "gke"))
        if missing := [key for key in _GKE_KEYS if not gke.get(key)]:
            what = f"the cluster {name} lacks {', '.join(missing)}"
            files.refuse(SETTINGS, RepositoryError(what, where=place, rule="incomplete-cluster"))
        context = "_".join(["gke", *(str(gke.get(key, "")) for key in _GKE_KEYS)])
    kubernetes = _kubernetes(files, own.get("kubernetes"), document.place("clusters", name, "kubernetes"))
    return Cluster(name, bool(own.get("local")), context, own.get("url", "").rstrip("/"), kubernetes)


def _kubernetes(files: Files, version: str | None, place: str) -> str:
    """A minor version: patches change nothing of what a manifest may say."""
    if version is None or _MINOR.fullmatch(version):
        return version or ""
    what, hint = f"{version!r} is no minor version of Kubernetes", 'Write for example "1.34".'
    files.refuse(SETTINGS, RepositoryError(what, where=place, hint=hint, rule="wrong-type"))
    return ""
