"""Which people a new chart would give other homes than they have, or keep out."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hubops.plan.rehearsal_model import Comparison, Finding, Moved
from hubops.state.rehearsal_model import Answers, Mount, Server

_OLD_SCHEME, _NEW_SCHEME = "escape", "safe"
_TEMPLATE, _SCHEME, _REMEMBER = "pvc_name_template", "slug_scheme", "remember_pvc_name"
# Since then nobody is let in who is not allowed, where before an empty list of allowed people let in everybody.
_CLOSED_SINCE = 5


def compare(before: Answers, after: Answers, claims: Collection[str]) -> Comparison:
    """What `after` says beside `before`; `claims` are those that there are in the hub's namespace."""
    homes = _compare_homes(before, after, claims)
    people = [(name, about, after.people.get(name)) for name, about in before.people.items()]
    locked_out = tuple(
        name
        for name, old, new in people
        if old.allowed is not False and (new is None or new.allowed is False)
    )
    demoted = tuple(name for name, old, new in people if old.admin and new and not new.admin)
    undecided = sum(new is not None and new.allowed is None for _, _, new in people)
    findings = [*_homes_found(before, after, homes), *_people_found(before, after, locked_out, demoted)]
    return Comparison(
        before=before,
        after=after,
        homes=homes.number,
        moved=tuple(homes.moved),
        unclear=dict(homes.unclear),
        locked_out=locked_out,
        undecided=undecided,
        demoted=demoted,
        findings=tuple(findings),
    )


@dataclass
class _Homes:
    number: int = 0
    moved: list[Moved] = field(default_factory=list)
    unclear: Counter[str] = field(default_factory=Counter)


def _compare_homes(before: Answers, after: Answers, claims: Collection[str]) -> _Homes:
    found = _Homes()
    for name, person in before.people.items():
        new_servers = after.people[name].servers if name in after.people else {}
        for server, old in person.servers.items():
            kept = [mount for mount in old.mounts if _exists(mount, claims)]
            new = new_servers.get(server, old)  # of who is gone the home is where it was
            if error := old.error or new.error:
                found.unclear[error] += 1
                continue
            found.number += bool(kept)
            found.moved += _moved(name, server, kept, new)
    return found


def _moved(person: str, server: str, kept: Sequence[Mount], new: Server) -> Iterator[Moved]:
    places = {mount.place for mount in new.mounts}
    had = {mount.place for mount in kept}
    others = [mount for mount in new.mounts if mount.place not in had]
    for mount in kept:
        if mount.place not in places:
            at = next((each for each in others if each.path == mount.path), None) or next(iter(others), None)
            yield Moved(person, server, mount.place, at.place if at else "")


def _exists(mount: Mount, claims: Collection[str]) -> bool:
    """Whether there is such a volume; of what is no claim of the hub's namespace nobody asks."""
    is_claim = not {" ", "/"} & set(mount.volume)
    return mount.volume in claims or not is_claim


def _homes_found(before: Answers, after: Answers, homes: _Homes) -> Iterator[Finding]:
    if homes.moved:
        people = len({each.person for each in homes.moved})
        what = (
            f"{people} {_people(people)} would find another volume than today's in {len(homes.moved)} places"
        )
        yield Finding(what, _what_keeps(before.traits, after.traits, homes.moved))
    if homes.unclear:
        reason, _ = homes.unclear.most_common(1)[0]
        what = f"of {homes.unclear.total()} servers nobody knows which volumes they would have: {reason}"
        yield Finding(what, "Correct it, or look at these people's volumes by hand.")


def _what_keeps(before: Mapping[str, str], after: Mapping[str, str], moved: Sequence[Moved]) -> str:
    """The settings that give people the volumes that they have."""
    settings = []
    if _scheme(before) == _OLD_SCHEME and _scheme(after) == _NEW_SCHEME:
        settings.append(f"hub.config.KubeSpawner.slug_scheme: {_OLD_SCHEME}")
        if any("/" in each.before for each in moved):
            settings.append("{escaped_username} for {username} in singleuser.storage.static.subPath")
    if before[_TEMPLATE] != after[_TEMPLATE]:
        settings.append(f'singleuser.storage.dynamic.pvcNameTemplate: "{before[_TEMPLATE]}"')
    if after[_REMEMBER] == "False" != before[_REMEMBER]:
        settings.append("hub.config.KubeSpawner.remember_pvc_name: true")
    if not settings:
        return "Compare singleuser.storage and hub.extraConfig with what the hub has."
    return f"What keeps them: {'; '.join(settings)}"


def _scheme(traits: Mapping[str, str]) -> str:
    """That of a KubeSpawner older than 7 is the old one; it has no such trait."""
    return traits[_SCHEME] or _OLD_SCHEME


def _people_found(
    before: Answers, after: Answers, locked_out: Collection[str], demoted: Collection[str]
) -> Iterator[Finding]:
    if locked_out:
        number = len(locked_out)
        yield Finding(f"{number} {_people(number)} could not log in any more", _what_lets_in(before, after))
    if demoted:
        number = len(demoted)
        what = f"{number} {_people(number)} would not be admin any more"
        yield Finding(what, "Name them as admins in people.yaml.")


def _what_lets_in(before: Answers, after: Answers) -> str:
    name = after.authenticator.partition(" ")[0]
    if _major(before.jupyterhub) < _CLOSED_SINCE <= _major(after.jupyterhub):
        return (
            "JupyterHub lets in only who is allowed, since version 5: name them in people.yaml, or set "
            f"hub.config.{name}.allow_all or allow_existing_users"
        )
    return f"Name them in people.yaml, or see hub.config.{name}."


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdecimal() else 0


def _people(number: int) -> str:
    return "person" if number == 1 else "people"
