"""hubops build --explain: what decides an image, and which of it is not as in what hubs have."""

import json
from collections.abc import Mapping
from dataclasses import replace

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_ways
from hubops.cli.progress import progress
from hubops.desired.image_check import used_images
from hubops.desired.images import content_tag, find_inputs
from hubops.desired.model import Fleet
from hubops.errors import HubopsError
from hubops.plan.inputs import compare_inputs
from hubops.plan.model import DeployedImage
from hubops.report.image import format_image, image_data
from hubops.run.branches import fleet_at
from hubops.secret import Redactor
from hubops.state.model import Record, Status

Inputs = Mapping[str, str]


def explain(fleet: Fleet, names: tuple[str, ...], form: str) -> None:
    """Print each image's tag and inputs, and what is another on the hubs that name it.

    Raises:
        RepositoryError: no directory builds one of them.
    """
    inputs, redactor = find_inputs(fleet, names), Redactor()
    hubs = [hub for hub in fleet.in_order() if {*names} & {*used_images(hub)}]
    with progress(redactor) as emit:
        statuses = running.run(run.read_statuses(fleet, hubs, load_ways(fleet, emit, redactor)))
        deployed = {name: running.run(find_deployed(fleet, name, inputs[name], statuses)) for name in names}
    told = [(name, content_tag(inputs[name]), inputs[name], deployed[name]) for name in names]
    if form == "json":
        click.echo(redactor.mask(json.dumps([image_data(*each) for each in told], indent=2)))
    else:
        click.echo(redactor.mask("\n\n".join(format_image(*each) for each in told)))


async def find_deployed(
    fleet: Fleet, name: str, inputs: Inputs, statuses: list[Status]
) -> list[DeployedImage]:
    """The image as each hub has it that names it, by what was recorded, and the commits of this clone."""
    found, known = [], dict[str, Inputs | None]()
    for status in statuses:
        if name not in used_images(fleet.hubs[status.hub]):
            continue
        each, commits = _standing(status, name)
        if each.tag in {"", content_tag(inputs)}:
            found.append(each)
            continue
        if each.tag not in known:
            known[each.tag] = await _inputs_of(fleet, name, each.tag, commits)
        then = known[each.tag]
        if then is None:
            why = "what was in it nobody can tell: no commit of this clone gives that tag"
            found.append(replace(each, unknown=why))
        else:
            found.append(replace(each, differences=tuple(compare_inputs(inputs, then))))
    return found


def _standing(status: Status, name: str) -> tuple[DeployedImage, list[str]]:
    """The image as the hub has it, and the commits that may have it, the likeliest first."""
    record = status.history.standing
    if status.fault or record is None or name not in record.content.images:
        return DeployedImage(status.hub, unknown=status.fault), []
    tag = _tag(record, name)
    commits = [each.commit.hash for each in reversed(status.history.records) if _tag(each, name) == tag]
    known = list(dict.fromkeys(commit for commit in commits if commit))
    return DeployedImage(status.hub, tag, record.number, record.commit.hash), known


def _tag(record: Record, name: str) -> str:
    return record.content.images.get(name, "").partition("@")[0].rpartition(":")[2]


async def _inputs_of(fleet: Fleet, name: str, tag: str, commits: list[str]) -> Inputs | None:
    """What a tag was made of, from the commit whose files give it: so it is sure to be that."""
    for commit in commits:
        try:
            async with fleet_at(fleet.root, commit) as then:
                inputs = find_inputs(then, [name])[name]
        except HubopsError:  # a commit that is not here, or whose files were wrong
            continue
        if content_tag(inputs) == tag:
            return inputs
    return None
