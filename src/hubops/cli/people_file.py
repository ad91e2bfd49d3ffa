"""A hub's people.yaml as a command changes it: plain, or encrypted by sops and then opened in memory only."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hubops.cli import running
from hubops.cli.progress import progress
from hubops.cli.sealed import Sealed, bench, put_back, read_sealed, sops_for
from hubops.clients.memory import memory_directory
from hubops.clients.sops import Sops
from hubops.desired.files import telling_no_value
from hubops.desired.model import Fleet, Hub, Values
from hubops.desired.people import PEOPLE_LISTS, opened_people, read_people
from hubops.desired.yaml import parse_yaml
from hubops.events import Emit
from hubops.local.toolchain import require_tool
from hubops.scaffold.edit import Draft, open_draft, write


@dataclass
class PeopleFile:
    """The file, open: change `draft.value` in place. `sealed` is what lies in the repository, where it is encrypted."""

    fleet: Fleet
    hub: Hub
    draft: Draft
    sealed: Sealed | None = None

    def opened_hub(self) -> Hub:
        """The hub with the people that the draft names."""
        value, name = self.draft.value, self.draft.name
        people = opened_people(value, name) if self.sealed else read_people(value)
        return replace(self.hub, people=people)

    def write(self) -> str:
        """Write what is to be another; its diff, or of an encrypted file only who came and who went.

        Raises:
            HubopsError: as `scaffold.edit.write`; no key opens the file, or sops refuses.
        """
        if self.sealed is None:
            return write([self.draft])
        if (after := self.draft.after()) == self.draft.before:
            return ""
        with progress() as emit:
            running.run(_seal(self.fleet, self.sealed, after, emit))
        return "".join(f"{line}\n" for line in _changes(self.draft))


def open_people(fleet: Fleet, hub: Hub) -> PeopleFile:
    """The hub's people.yaml, which need not be there.

    Raises:
        RepositoryError: it is not YAML, not as sops left it, or names somebody by what is no text.
        RefusedError: it is encrypted, and no key here opens it.
    """
    name = f"hub-charts/{hub.name}/people.yaml"
    if not hub.people.encrypted:
        return PeopleFile(fleet, hub, open_draft(fleet.root, name))
    sealed = read_sealed(fleet.root, name)
    with progress() as emit:
        text = running.run(_text(fleet, sealed, emit))
    value = _parse(text, name)
    opened_people(value, name)
    return PeopleFile(fleet, hub, Draft(fleet.root / name, name, text, value), sealed)


async def _text(fleet: Fleet, file: Sealed, emit: Emit) -> str:
    return await (await _sops(fleet, file, emit)).decrypt_text(file.content, file.name)


async def _seal(fleet: Fleet, file: Sealed, text: str, emit: Emit) -> None:
    """Let the encrypted file say the text, which is on no disk meanwhile."""
    sops = await _sops(fleet, file, emit)
    with bench(fleet.root, [file.name]) as copies, memory_directory("hubops-people-") as directory:
        plain = directory / "people.yaml"
        plain.touch(mode=0o600)
        plain.write_text(text)
        await sops.replace(copies / file.name, plain, file.name)
        await sops.decrypt((copies / file.name).read_bytes(), file.name)  # never leave what does not open
        put_back(fleet.root, copies, [file])


async def _sops(fleet: Fleet, file: Sealed, emit: Emit) -> Sops:
    return sops_for(fleet, await require_tool("sops", emit), file)


def _parse(text: str, name: str) -> Values:
    with telling_no_value():
        value: Values = parse_yaml(text, name).value or {}
    return value


def _changes(draft: Draft) -> Iterator[str]:
    """Whom the command was told, and nobody else: a diff would show their neighbours."""
    before: dict[str, Any] = _parse(draft.before or "", draft.name)
    yield f"{draft.name}, encrypted:"
    for key in PEOPLE_LISTS:
        old, new = before.get(key) or [], draft.value.get(key) or []
        yield from (f"- {key}: {name}" for name in old if name not in new)
        yield from (f"+ {key}: {name}" for name in new if name not in old)
