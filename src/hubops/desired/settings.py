"""hubops.yaml: what all hubs of a repository share."""

from hubops.desired.files import Files
from hubops.desired.keys import keys_of
from hubops.desired.model import Cluster
from hubops.desired.yaml import Document
from hubops.errors import RepositoryError

SETTINGS = "hubops.yaml"
_FLEET_KEYS = keys_of("hubops")
_CLUSTER_KEYS = keys_of("hubops", "clusters", "*")
_GKE_KEYS = keys_of("hubops", "clusters", "*", "gke")


def read_settings(files: Files) -> Document:
    """What hubops.yaml says."""
    return files.read(SETTINGS, _FLEET_KEYS)


def read_clusters(files: Files) -> dict[str, Cluster]:
    """The clusters by name."""
    document = read_settings(files)
    return {name: _cluster(files, name, document) for name in document.value.get("clusters", {})}


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
    return Cluster(name, bool(own.get("local")), context, own.get("url", "").rstrip("/"))
