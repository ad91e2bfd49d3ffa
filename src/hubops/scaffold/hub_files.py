"""The files of a new hub, from what was chosen or from another hub."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubops.desired.access import AUTHENTICATOR
from hubops.desired.chart_lock import helm_digest
from hubops.desired.model import Fleet, Hub, Values
from hubops.desired.people import LISTS
from hubops.desired.values import JUPYTERHUB, find_value, image_names, merge, path_below, prefixed
from hubops.desired.yaml import parse_yaml
from hubops.scaffold.changes import read_tree
from hubops.scaffold.rewrite import rewrite

EMBEDDED = "file://../../charts/jupyterhub"
# The upstream chart would delete the hub's database with its release.
_KEPT = {"hub": {"db": {"pvc": {"annotations": {"helm.sh/resource-policy": "keep"}}}}}
_OWN = "# What this hub has of its own; what it shares with others is in values/.\n"
# Of hub.yaml; each belongs to one hub and no other. The last two are leave for what a reviewer saw of that one.
_NOT_COPIED = ("release", "namespace", "url", "disabled", "people-may-leave", "check")
# Of JupyterHub's chart: what has names of people below `users`.
_WITH_USERS = (("hub", "loadRoles"), ("hub", "config", "JupyterHub", "load_groups"))


@dataclass(frozen=True)
class ChartPin:
    """JupyterHub's chart, of exactly one version."""

    version: str
    repository: str

    def dependency(self) -> Values:
        return {"name": JUPYTERHUB, "version": self.version, "repository": self.repository}


def embedded_pin(root: Path) -> ChartPin | None:
    """The chart that comes with hubops, as it lies in the repository; None where it does not.

    Raises:
        RepositoryError: its Chart.yaml is not YAML.
    """
    name = "charts/jupyterhub/Chart.yaml"
    if not (root / name).is_file():
        return None
    return ChartPin(parse_yaml((root / name).read_bytes(), name).value["version"], EMBEDDED)


@dataclass(frozen=True)
class NewHub:
    """What was chosen for a hub; `values` are those of JupyterHub's chart."""

    name: str
    stage: str = "production"
    cluster: str = "local"
    image: str = ""
    proved_by: str = ""
    values: Values = field(default_factory=dict)
    admins: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def settings(self) -> Values:
        """hub.yaml, where "" stands for a key that is not there."""
        image = "" if self.image == self.name else self.image
        return {"stage": self.stage, "cluster": self.cluster, "image": image, "proved-by": self.proved_by}


def hub_files(hub: NewHub, chart: ChartPin) -> dict[str, bytes]:
    """The hub's directory by paths in the repository."""
    values = hub.values if chart.repository == EMBEDDED else merge(_KEPT, hub.values)
    dependencies = [chart.dependency()]
    about = {"apiVersion": "v2", "name": hub.name, "version": "0.1.0", "dependencies": dependencies}
    texts = {
        "Chart.yaml": _text(about),
        "Chart.lock": lock_text(dependencies, dependencies),
        "hub.yaml": _text({key: value for key, value in hub.settings().items() if value}),
        "people.yaml": _people(hub),
        "values.yaml": _text({JUPYTERHUB: values}, _OWN) if values else _OWN,
    }
    return {f"hub-charts/{hub.name}/{name}": text.encode() for name, text in texts.items()}


def copied_files(hub: NewHub, source: Hub, addresses: tuple[str, str]) -> dict[str, bytes]:
    """Another hub's directory for a new one: its chart and values with the new one's above them, not its people.

    Where the values say the first address, they say the second one. Left behind are client ids, for each is
    that of one hub at its provider, and who is named in the values: the other hub's admins are not this one's.

    Raises:
        RepositoryError: a file cannot be changed by hubops.
    """
    below = f"hub-charts/{hub.name}/"
    files = read_tree(source.directory, below)
    # What helm fetched is ignored by git, and fetched again.
    files = {path: content for path, content in files.items() if not path.startswith(f"{below}charts/")}

    def change(file: str, changed: Callable[[Values], Values], text: str | None = None) -> None:
        where = f"hub-charts/{source.name}/{file}"
        old = files.get(f"{below}{file}", b"").decode() if text is None else text
        files[f"{below}{file}"] = rewrite(old, changed(parse_yaml(old, where).value or {}), where).encode()

    change("Chart.yaml", lambda chart: {**chart, "name": hub.name})
    change("hub.yaml", lambda settings: _settings(settings, hub))
    files[f"{below}people.yaml"] = _people(hub).encode()
    text = files.get(f"{below}values.yaml", b"").decode()
    moved = text.replace(*addresses) if all(addresses) else text
    change(
        "values.yaml",
        lambda values: merge(_without_its_own(values, source), prefixed(source, hub.values)),
        moved,
    )
    return files


def removed_files(fleet: Fleet, hub: Hub) -> dict[str, None]:
    """The files that are a hub's alone: its directory, its secrets, and the image of its name, unless others use it."""
    trees = [hub.directory]
    others = (other for other in fleet.hubs.values() if other is not hub)
    used = {name for other in others for name in (other.image, *image_names(other))}
    used |= {name for image in fleet.images.values() for name in image.own}
    own = fleet.images[hub.name].directory if hub.name in fleet.images else None
    trees += [own] if own and own.parent.name == "user-images" and hub.name not in used else []
    names = [
        name for tree in trees for name in read_tree(tree, f"{tree.relative_to(fleet.root).as_posix()}/")
    ]
    secrets = f"secrets/{hub.name}.yaml"
    return dict.fromkeys([*names, *([secrets] if (fleet.root / secrets).is_file() else [])])


def lock_text(wanted: list[Values], locked: list[Values], before: str = "") -> str:
    """Chart.lock, in the form of the one before; without a time, which helm does not miss and which tells nothing."""
    ordered = [{key: each[key] for key in ("name", "repository", "version")} for each in locked]
    return _text({"dependencies": ordered, "digest": helm_digest(wanted, locked)}, before)


def _settings(settings: Values, hub: NewHub) -> Values:
    kept = {key: value for key, value in settings.items() if key not in _NOT_COPIED}
    return {key: value for key, value in {**kept, **hub.settings()}.items() if value != ""}


def _without_its_own(values: Values, source: Hub) -> Values:
    config = _map(find_value(values, path_below(source, ("hub", "config"))))
    for name in [*config]:
        people = LISTS.values() if name.endswith(AUTHENTICATOR) else ()
        _take(config, name, "client_id", *people)
    for path in _WITH_USERS:
        named = _map(find_value(values, path_below(source, path)))
        for name in [*named]:
            _take(named, name, "users")
    return values


def _take(among: Values, name: str, *keys: str) -> None:
    """Take keys out of the map of that name, which goes when nothing else is in it."""
    section = _map(among[name])
    taken = [section.pop(key) for key in keys if key in section]
    if taken and not section:
        del among[name]


def _map(value: Any) -> Values:
    return value if isinstance(value, dict) else {}


def _people(hub: NewHub) -> str:
    return _text({"admins": list(hub.admins), "allowed": list(hub.allowed)})


def _text(value: Values, head: str = "") -> str:
    return rewrite(head, value, "")
