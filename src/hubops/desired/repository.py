"""Reading an operations repository: its settings and hubs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hubops.desired.files import Files, stop
from hubops.desired.keys import keys_of
from hubops.desired.model import Cluster, Fleet, Hub, People, Problem, Values
from hubops.desired.settings import SETTINGS, read_clusters, read_image_name, read_settings
from hubops.desired.yaml import Document
from hubops.errors import RepositoryError
from hubops.names import did_you_mean, is_dns_label

STAGES = ("staging", "production")
_HUB_KEYS = keys_of("hub")
_PEOPLE_KEYS = keys_of("people")
_TEXTS = ("name", "version", "repository", "alias", "condition")


@dataclass(frozen=True)
class Reading:
    """A repository as far as it can be read: without what is in `problems`, which `wrong` files have."""

    fleet: Fleet
    problems: tuple[Problem, ...]
    wrong: frozenset[str]


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
    return Reading(fleet, tuple(_problem(error, fleet) for error in errors), frozenset(files.wrong))


def load_values(root: Path, name: str) -> Values:
    """A file of values/, empty when it is not there.

    Raises:
        RepositoryError: it is not YAML, or no mapping.
    """
    values: Values = Files(root).read(f"values/{name}.yaml").value
    return values


def _problem(error: RepositoryError, fleet: Fleet) -> Problem:
    hubs = [name for name in fleet.hubs if f"{error.where}/".startswith(f"hub-charts/{name}/")]
    return Problem(error.what, error.where, error.why, error.hint, tuple(hubs))


def _fleet(files: Files) -> Fleet:
    if not (files.root / SETTINGS).is_file():
        hint = "Run this in an operations repository."
        raise RepositoryError(f"there is no {SETTINGS} here", where=str(files.root), hint=hint)
    clusters = read_clusters(files)
    directories = sorted(path for path in (files.root / "hub-charts").glob("*") if path.is_dir())
    fleet = Fleet(
        root=files.root,
        registry=read_settings(files).value.get("registry", ""),
        image_name=read_image_name(files),
        hubs={},
        images=_images(files),
    )
    hubs = {path.name: _hub(files, fleet, path, clusters) for path in directories}
    for hub in hubs.values():
        _check_proof(files, hub, hubs)
    return replace(fleet, hubs=hubs)


def _images(files: Files) -> dict[str, Path]:
    images: dict[str, Path] = {}
    for dockerfile in sorted(files.root.glob("*images/*/Dockerfile")):
        directory = dockerfile.parent
        if directory.name in images:
            here, other = (path.relative_to(files.root) for path in (directory, images[directory.name]))
            what = f"two images have the name {directory.name}"
            files.refuse(str(here), RepositoryError(what, where=f"{here} and {other}"))
        images[directory.name] = directory
    return images


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
        people=_people(files, files.read(f"{relative}/people.yaml", _PEOPLE_KEYS)),
        proved_by=own.get("proved-by", ""),
        timeout_s=own.get("timeout", 600),
        documents=(*shared, values, *([files.read("values/local.yaml")] if cluster.local else [])),
        chart=chart,
        lock=files.read(f"{relative}/Chart.lock"),
    )


def _check_directory(files: Files, directory: Path, relative: str) -> None:
    if not is_dns_label(directory.name):
        what, hint = f"{directory.name} cannot name a hub", "Use lower-case letters, digits, -."
        files.refuse(relative, RepositoryError(what, where=relative, hint=hint))
    if not (directory / "Chart.yaml").is_file():
        what = f"the hub {directory.name} has no Chart.yaml"
        hint = "Say which JupyterHub chart it uses, or remove the directory."
        files.refuse(f"{relative}/Chart.yaml", RepositoryError(what, where=relative, hint=hint))


def _check_settings(files: Files, document: Document, fleet: Fleet, clusters: Mapping[str, Cluster]) -> None:
    own = document.value
    if clusters or SETTINGS not in files.wrong:
        _require(files, "cluster", own.get("cluster", "local"), clusters, document)
    _require(files, "stage", own.get("stage", "production"), dict.fromkeys(STAGES), document)
    for key in ("release", "namespace"):
        if key in own and not is_dns_label(own[key]):
            error = RepositoryError(f"{own[key]!r} cannot be a {key}", where=document.place(key))
            files.refuse(document.file, error)
    if "image" in own:
        _require(files, "image", own["image"], fleet.images, document)


def _people(files: Files, document: Document) -> People:
    for key, names in document.value.items():
        for number, name in enumerate(names):
            if not isinstance(name, str) or not name:
                what, where = f"{name!r} is not a person's name", document.place(key, number)
                files.refuse(document.file, RepositoryError(what, where=where, hint="Quote it."))
    admins, allowed = (
        tuple(name for name in document.value.get(key, ()) if isinstance(name, str))
        for key in ("admins", "allowed")
    )
    return People(admins, allowed)


def _check_proof(files: Files, hub: Hub, hubs: Mapping[str, Hub]) -> None:
    document = files.read(f"hub-charts/{hub.name}/hub.yaml", _HUB_KEYS)
    if not hub.proved_by or not _require(files, "proved-by", hub.proved_by, hubs, document):
        return
    prover = hubs[hub.proved_by]
    if prover.stage != "staging":
        what = f"{hub.name} is proved by {prover.name}, which is not a staging hub"
        files.refuse(document.file, RepositoryError(what, where=document.place("proved-by")))


def _path(url: str, name: str) -> str:
    return "/" + path + "/" if (path := urlsplit(url).path.strip("/")) else "/" if url else f"/{name}/"


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
        files.refuse(name, RepositoryError(what, where=where, hint=hint))
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
        hint = did_you_mean(name, known)
        files.refuse(document.file, RepositoryError(what, where=document.place(key), hint=hint))
    return name in known
