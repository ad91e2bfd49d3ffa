"""Rules about lists of people."""

from collections.abc import Iterator
from typing import Any

from hubops.desired.access import AUTHENTICATOR
from hubops.desired.people import LISTS, check_people, hidden_lists
from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import HubView
from hubops.desired.schema import dotted
from hubops.desired.values import JUPYTERHUB, find_value, path_below
from hubops.desired.values_check import Given
from hubops.desired.yaml import Document, Path
from hubops.errors import RepositoryError


def person_twice(view: HubView) -> Iterator[RepositoryError]:
    """JupyterHub compares names in lower case. Names are not shown: what CI prints may be public."""
    for document, path, names in _lists(view):
        seen: set[str] = set()
        for number, name in enumerate(names):
            if str(name).lower() in seen:
                what = f"{path[-1]} names a person twice"
                why = "who is taken out once would still be in"
                where = document.place(*path, number)
                yield RepositoryError(what, where=where, why=why, hint="Take one out.")
            seen.add(str(name).lower())


def overridden_people(view: HubView) -> Iterator[RepositoryError]:
    """What stands in values wins over people.yaml."""
    hidden = hidden_lists(view.hub, view.given.values) if isinstance(view.given, Given) else {}
    for key, path in hidden.items():
        if view.hub.people_file.value.get(key):
            yield RepositoryError(
                f"{key} in people.yaml of {view.hub.name} does nothing",
                where=view.hub.people_file.place(key),
                why=f"{dotted(path)} is set at {view.place(*path)}, and values win",
                hint="Keep the list in one place: move it to people.yaml.",
            )


def team_without_effect(view: HubView) -> Iterator[RepositoryError]:
    """As `check_people`."""
    return check_people(view.hub, view.given.values) if isinstance(view.given, Given) else iter(())


def _lists(view: HubView) -> Iterator[tuple[Document, Path, list[Any]]]:
    document = view.hub.people_file
    for key, names in document.value.items():
        if isinstance(names, list):
            yield document, (key,), names
    for each in view.hub.documents:
        for prefix in dict.fromkeys((path_below(view.hub, ()), (JUPYTERHUB,))):
            config = find_value(each.value, (*prefix, "hub", "config"))
            for section in config if isinstance(config, dict) else ():
                yield from _of_login(each, (*prefix, "hub", "config", section))


def _of_login(document: Document, path: Path) -> Iterator[tuple[Document, Path, list[Any]]]:
    """The lists of an authenticator's class, or of the one that all inherit from."""
    for trait in LISTS.values() if str(path[-1]).endswith(AUTHENTICATOR) else ():
        found = find_value(document.value, (*path, trait))
        if isinstance(found, list):
            yield document, (*path, trait), found


RULES = (
    Rule("person-twice", "A list names a person twice.", person_twice),
    Rule("overridden-people", "A list of people in values takes the place of people.yaml.", overridden_people),
    Rule("team-without-effect", "A team is named that the hub's login knows nothing of.", team_without_effect),
)  # fmt: skip
