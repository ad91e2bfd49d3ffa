"""Reading an operations repository: its settings and hubs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hubops.desired.files import Files, stop
from hubops.desired.image_files import read_images
from hubops.desired.keys import keys_of
from hubops.desired.model import Cluster, Fleet, Hub, People, Values
from hubops.desired.people import PEOPLE_LISTS, read_people
from hubops.desired.secret_files import IMAGES
from hubops.desired.settings import (
    SETTINGS,
    read_clusters,
    read_image_name,
    read_keeping,
    read_registry,
    read_settings,
)
from hubops.desired.yaml import Document
from hubops.errors import RepositoryError
from hubops.names import did_you_mean, is_dns_label

STAGES = ("staging", "production")
_HUB_KEYS = keys_of("hub")
_PEOPLE_KEYS = keys_of("people")
_TEXTS = ("name", "version", "repository", "alias", "condition")


@dataclass(frozen=True)
class Reading:
    """A repository as far as it can be read: without what the `errors` are about."""

    fleet: Fleet
    files: Files
    errors: tuple[RepositoryError, ...]


def load_fleet(root: Path) -> Fleet:
    """Every hub of the repository at `root`; no file is read twice.

    Raises:
        RepositoryError: a file is missing or wrong, with file:line:column; of several the first.
    """
    return _fleet(Files(root, stop))


def read_fleet(root: Path) -> Reading:
    """As load_fleet, but with everything that is wrong in the files of all hubs.

    Raises:
        RepositoryError: this is no operations repository.
    """
    errors: list[RepositoryError] = []
    files = Files(root, errors.append)
    fleet = _fleet(files)
    return Reading(fleet, files, tuple(errors))


def load_values(root: Path, name: str) -> Values:
    """A file of values/, empty when it is not there.

    Raises:
        RepositoryError: it is not YAML, or no mapping.
    """
    values: Values = Files(root).read(f"values/{name}.yaml").value
    return values


def _fleet(files: Files) -> Fleet:
    if not (files.root / SETTINGS).is_file():
        hint = "Run this in an operations repository."
        raise RepositoryError(f"there is no {SETTINGS} here", where=str(files.root), hint=hint)
    clusters = read_clusters(files)
    directories = sorted(path for path in (files.root / "hub-charts").glob("*") if path.is_dir())
    fleet = Fleet(
        root=files.root,
        registry=read_registry(files),
        settings=read_settings(files),
        image_name=read_image_name(files),
        hubs={},
        images=read_images(files),
        clusters=tuple(clusters.values()),
        keeping=read_keeping(files),
    )
    hubs = {path.name: _hub(files, fleet, path, clusters) for path in directories}
    for hub in hubs.values():
        _check_proof(files, hub, hubs)
    return replace(fleet, hubs=hubs)


def _hub(files: Files, fleet: Fleet, directory: Path, clusters: Mapping[str, Cluster]) -> Hub:
    name, relative = directory.name, f"hub-charts/{directory.name}"
    settings = files.read(f"{relative}/hub.yaml", _HUB_KEYS)
    _check_directory(files, directory, relative)
    _check_settings(files, settings, fleet, clusters)
    own = settings.value
    cluster = clusters.get(own.get("cluster", "local")) or Cluster(own.get("cluster", "local"))
    stage = own.get("stage", "production")
    shared = [
        files.read(f"values/{n}.yaml")
        for n in ("organisation", f"clusters/{cluster.name}", f"stages/{stage}")
    ]
    values = files.read(f"{relative}/values.yaml")
    people = files.read(f"{relative}/people.yaml", _PEOPLE_KEYS)
    chart = _chart(files, f"{relative}/Chart.yaml")
    return Hub(
        name=name,
        directory=directory,
        stage=stage,
        cluster=cluster,
        image=own.get("image", name if name in fleet.images else ""),
        release=own.get("release", name),
        namespace=own.get("namespace", name),
        path=_path(own.get("url", ""), name),
        prefix=_prefix(chart),
        values=values.value,
        layers=tuple(document.value for document in shared),
        people=_people(files, people),
        proved_by=own.get("proved-by", ""),
        timeout_s=own.get("timeout", 600),
        people_may_leave=own.get("people-may-leave", 0),
        disabled=own.get("disabled", ""),
        origin=_origin(own.get("url", "")),
        documents=(*shared, values, *([files.read("values/local.yaml")] if cluster.local else [])),
        chart=chart,
        lock=files.read(f"{relative}/Chart.lock"),
        settings=settings,
        people_file=people,
    )


def _check_directory(files: Files, directory: Path, relative: str) -> None:
    if not is_dns_label(directory.name):
        what, hint = f"{directory.name} cannot name a hub", "Use lower-case letters, digits, -."
        files.refuse(relative, RepositoryError(what, where=relative, hint=hint, rule="hub-name"))
    if directory.name == IMAGES:
        what, why = f"{IMAGES} cannot name a hub", f"secrets/{IMAGES}.yaml has what builds of images need"
        files.refuse(relative, RepositoryError(what, where=relative, why=why, rule="hub-name"))
    if not (directory / "Chart.yaml").is_file():
        what = f"the hub {directory.name} has no Chart.yaml"
        hint = "Say which JupyterHub chart it uses, or remove the directory."
        error = RepositoryError(what, where=relative, hint=hint, rule="hub-without-chart")
        files.refuse(f"{relative}/Chart.yaml", error)


def _check_settings(files: Files, document: Document, fleet: Fleet, clusters: Mapping[str, Cluster]) -> None:
    own = document.value
    if clusters or SETTINGS not in files.wrong:
        _require(files, "cluster", own.get("cluster", "local"), clusters, document)
    _require(files, "stage", own.get("stage", "production"), dict.fromkeys(STAGES), document)
    for key in ("release", "namespace"):
        if key in own and not is_dns_label(own[key]):
            what = f"{own[key]!r} cannot be a {key}"
            files.refuse(document.file, RepositoryError(what, where=document.place(key), rule="hub-name"))
    if "image" in own:
        _require(files, "image", own["image"], fleet.images, document)


def _people(files: Files, document: Document) -> People:
    for key, number, name in _people_names(document):
        if not isinstance(name, str) or not name:
            what = f"{name!r} is not a {'team' if key == 'teams' else 'person'}'s name"
            place = document.place(key, number)
            error = RepositoryError(what, where=place, hint="Quote it.", rule="person-name")
            files.refuse(document.file, error)
    return read_people(document.value)


def _people_names(document: Document) -> Iterator[tuple[str, int, Any]]:
    for key in PEOPLE_LISTS:
        for number, name in enumerate(document.value.get(key, ())):
            yield key, number, name


def _check_proof(files: Files, hub: Hub, hubs: Mapping[str, Hub]) -> None:
    document = files.read(f"hub-charts/{hub.name}/hub.yaml", _HUB_KEYS)
    if not hub.proved_by or not _require(files, "proved-by", hub.proved_by, hubs, document):
        return
    prover, where = hubs[hub.proved_by], document.place("proved-by")
    # What cannot be read of them may be that all is well.
    if prover.settings.file in files.wrong:
        return
    if prover.stage != "staging":
        what = f"{hub.name} is proved by {prover.name}, which is not a staging hub"
        files.refuse(document.file, RepositoryError(what, where=where, rule="prover-not-staging"))
    elif prover.cluster.local != hub.cluster.local and not {document.file, SETTINGS} & files.wrong:
        what = f"{hub.name} is proved by {prover.name}, and one of the two runs on the local cluster"
        why = "the local cluster has its images in a registry of its own: what ran there is never what the other gets"
        hint = f"Name a staging hub of {hub.cluster.name}{'' if hub.cluster.local else ', or of another cluster but the local one'}."
        error = RepositoryError(what, where=where, why=why, hint=hint, rule="prover-elsewhere")
        files.refuse(document.file, error)


def _path(url: str, name: str) -> str:
    return "/" + path + "/" if (path := urlsplit(url).path.strip("/")) else "/" if url else f"/{name}/"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _chart(files: Files, name: str) -> Document:
    """Chart.yaml, with the dependencies that helm could read."""
    document = files.read(name)
    found, good = document.value.get("dependencies") or [], []
    for number, dependency in enumerate(found if isinstance(found, list) else [found]):
        texts = (dependency.get(key) or "" for key in _TEXTS) if isinstance(dependency, dict) else (None,)
        if all(isinstance(text, str) for text in texts) and dependency.get("name"):
            good.append(dependency)
            continue
        what, where = "this is no dependency of a chart", document.place("dependencies", number)
        hint = "Write name, version (quoted where it looks like a number) and repository."
        files.refuse(name, RepositoryError(what, where=where, hint=hint, rule="wrong-dependency"))
    return replace(document, value={**document.value, "dependencies": good})


def _prefix(chart: Document) -> str:
    """The key under which values reach JupyterHub's chart: its alias or name as a dependency."""
    for dependency in chart.value["dependencies"]:
        if dependency.get("name") == "jupyterhub":
            return str(dependency.get("alias", "jupyterhub"))
    return ""


def _require(files: Files, key: str, name: str, known: Mapping[str, Any], document: Document) -> bool:
    if name not in known:
        what = f"there is no {'hub' if key == 'proved-by' else key} {name}"
        where, hint = document.place(key), did_you_mean(name, known)
        files.refuse(document.file, RepositoryError(what, where=where, hint=hint, rule="unknown-name"))
    return name in known
