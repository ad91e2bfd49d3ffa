"""hubops secrets add-person and offboard: who can open the secrets, all files or none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from hubops.cli import running
from hubops.cli.machine import project
from hubops.cli.progress import progress
from hubops.cli.sealed import Sealed, bench, find_sealed, put_back, sops_for
from hubops.cli.secrets_rotate import apply
from hubops.clients.sops import Sops
from hubops.desired.model import Fleet, Values
from hubops.desired.repository import load_fleet
from hubops.desired.values import texts
from hubops.errors import RepositoryError
from hubops.events import Emit, Remark
from hubops.local.secrets import generate
from hubops.local.toolchain import require_tool
from hubops.scaffold import rotation, sops_config
from hubops.scaffold.edit import Draft, open_draft
from hubops.secret import Redactor, Secret

FEWEST = 2  # with one, a lost key is the loss of the secrets


@dataclass(frozen=True)
class _Work:
    """The files to encrypt for others than now, by the .sops.yaml in `config`; `names` says whose a recipient is.

    What was replaced in each file, and what in it is left to a person, is kept in `done` and `left`.
    """

    fleet: Fleet
    config: Draft
    files: list[Sealed]
    names: dict[str, str]
    emit: Emit
    redactor: Redactor
    done: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, list[str]] = field(default_factory=dict)

    def wanted(self, file: Sealed) -> list[str]:
        return sops_config.recipients_for(self.config.value, file.name)


@click.command()
@click.argument("name")
@click.argument("recipient")
@click.argument("hubs", nargs=-1)
def add_person(name: str, recipient: str, hubs: tuple[str, ...]) -> None:
    """Let NAME, whose public key is RECIPIENT, open the secrets of HUBS (default: all that .sops.yaml is for)."""
    fleet, config, redactor = load_fleet(project()), _open_config(project()), Redactor()
    chosen, sealed = [fleet.require_hub(hub).name for hub in hubs], find_sealed(project())
    also = [file.name for file in sealed if file.owner in chosen]
    files = dict.fromkeys([*(f"secrets/{hub}.yaml" for hub in chosen), *also])
    sops_config.add_person(config.value, name, recipient, files)
    with progress(redactor) as emit:
        wanted = {file.name: sops_config.recipients_for(config.value, file.name) for file in sealed}
        new = [file for file in sealed if recipient in {*wanted[file.name]} - {*file.recipients}]
        work = _Work(fleet, config, new, sops_config.names_of(config.value), emit, redactor)
        for line in running.run(_reseal(work, renew=False)):
            click.echo(line)


@click.command()
@click.argument("name")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write what is left to do here. [default: printed]"
)
def offboard(name: str, out: Path | None) -> None:
    """Take NAME (or a recipient) out of all secrets: new keys, new values where hubops can, a list of the rest."""
    fleet, config, redactor = load_fleet(project()), _open_config(project()), Redactor()
    names, sealed = sops_config.names_of(config.value), find_sealed(fleet.root)
    known = [each for file in sealed for each in file.recipients]
    gone = {*sops_config.remove_person(config.value, name, known)}
    with progress(redactor) as emit:
        work = _Work(
            fleet, config, [each for each in sealed if gone & {*each.recipients}], names, emit, redactor
        )
        lines = running.run(_reseal(work, renew=True))
    for line in lines:
        click.echo(line)
    text = rotation.checklist(name, work.done, work.left)
    if out:
        out.write_text(text)
    click.echo(f"What is left to do is in {out}." if out else f"\n{text}", nl=bool(out))


def _open_config(root: Path) -> Draft:
    config = open_draft(root, sops_config.NAME)
    if config.before is None:
        hint = "Make it with the first secrets: hubops secrets new HUB"
        raise RepositoryError(f"there is no {sops_config.NAME}", where=str(root), hint=hint)
    return config


async def _reseal(work: _Work, *, renew: bool) -> list[str]:
    """Encrypt the files for those of .sops.yaml; to `renew` means other values and another data key as well."""
    program, root = await require_tool("sops", work.emit), work.fleet.root
    with bench(root, [sops_config.NAME, *(file.name for file in work.files)]) as copies:
        config = copies / sops_config.NAME
        config.write_text(work.config.after())
        for file in work.files:
            sops, copy = sops_for(work.fleet, program, file), copies / file.name
            values = await sops.decrypt(file.content, file.name)
            if renew:
                # Before its recipients change: who takes out their own key still needs it for this.
                await _renew(work, file, sops, copy, values)
            await sops.update_keys(copy, config, file.name)
        diff = put_back(root, copies, work.files, [work.config])
    return [*filter(None, [diff]), *_told(work)]


async def _renew(work: _Work, file: Sealed, sops: Sops, copy: Path, values: Values) -> None:
    work.redactor.add(map(Secret, texts(values)))
    hub = work.fleet.hubs.get(file.owner) if file.name.startswith("secrets/") else None
    paths = rotation.present(hub, values) if hub else []
    changes = rotation.changes(hub, values, generate(), paths) if hub else []
    await apply(sops, copy, file.name, changes, work.redactor)
    work.done[file.name] = rotation.effects(hub, paths) if hub else []
    work.left[file.name] = rotation.left_to_do(values, changes)


def _told(work: _Work) -> Iterator[str]:
    for file in work.files:
        wanted = work.wanted(file)
        yield f"{file.name} {'encrypted anew' if file.name in work.done else 'has other recipients'}:"
        yield from (f"+ {_called(work, each)}" for each in wanted if each not in file.recipients)
        yield from (f"- {_called(work, each)}" for each in file.recipients if each not in wanted)
        yield from (f"~ {line.partition(':')[0]}" for line in work.done.get(file.name, ()))
        if len(wanted) < FEWEST:
            work.emit(Remark(few(file.name, len(wanted))))


def _called(work: _Work, recipient: str) -> str:
    return f"{recipient} ({work.names[recipient]})" if recipient in work.names else recipient


def few(name: str, number: int) -> str:
    """The warning for a file that one lost key would close for ever."""
    return (
        f"{name} has {number} recipient: if that key is lost, so are the secrets. hubops secrets add-person"
    )
