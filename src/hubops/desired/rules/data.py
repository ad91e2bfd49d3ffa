"""Rules about what would be lost: people's homes, and the hub's database."""

import re
from collections.abc import Iterator

from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import HubView
from hubops.errors import RepositoryError

_TRAIT = ("hub", "config", "KubeSpawner", "delete_pvc")
_DELETES = re.compile(r"\bdelete_pvc\s*=\s*True\b")
_POLICY = "helm.sh/resource-policy"
_ANNOTATIONS = ("hub", "db", "pvc", "annotations")


def delete_pvc(view: HubView) -> Iterator[RepositoryError]:
    """KubeSpawner deletes volumes unless told not to; hubops tells it (desired.people), below what the values say."""
    why = "who is deleted as a user loses the home as well"
    hint = "Take it out, or write false: hubops sets it to false where nobody says otherwise."
    # Null takes hubops' own value away.
    if (view.at(*_TRAIT[:-1]) or {}).get(_TRAIT[-1], False) is not False:
        yield RepositoryError("delete_pvc is on", where=view.place(*_TRAIT), why=why, hint=hint)
    for name, snippet in (view.at("hub", "extraConfig") or {}).items():
        if _DELETES.search(str(snippet)):
            place = view.place("hub", "extraConfig", name)
            yield RepositoryError("delete_pvc is on", where=place, why=why, hint=hint)


def database_without_keep(view: HubView) -> Iterator[RepositoryError]:
    """The embedded chart annotates its claim itself, where nobody says otherwise."""
    policy = view.at(*_ANNOTATIONS, _POLICY)
    is_missing = policy is None and view.is_upstream and not view.hub.cluster.local
    if (view.at("hub", "db", "type") or "sqlite-pvc") != "sqlite-pvc":
        return
    if is_missing or policy not in {None, "keep"}:
        yield RepositoryError(
            f"the volume of {view.hub.name}'s database would go with its release",
            where=view.place(*_ANNOTATIONS, _POLICY),
            why="helm uninstall deletes it, and with it who exists and whose server runs where",
            hint=f"Write hub.db.pvc.annotations: {{{_POLICY}: keep}}",
        )


def database_in_memory(view: HubView) -> Iterator[RepositoryError]:
    if view.at("hub", "db", "type") == "sqlite-memory" and not view.hub.cluster.local:
        yield RepositoryError(
            f"the database of {view.hub.name} is in memory",
            where=view.place("hub", "db", "type"),
            why="each restart of the hub forgets who exists and whose server runs where",
            hint="Write hub.db.type: sqlite-pvc",
        )


RULES = (
    Rule("delete-pvc", "Deleting a user would delete the person's home.", delete_pvc),
    Rule("database-without-keep", "The hub's database would be deleted with its release.", database_without_keep),
    Rule("database-in-memory", "Off the local cluster, the hub's database is in memory.", database_in_memory),
)  # fmt: skip
