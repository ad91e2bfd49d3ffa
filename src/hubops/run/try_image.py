"""Images built here and tested; nothing is pushed.

Only what tests images imports this: a deploy has no use for kernels and notebooks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hubops.answer import Absent, Present, Unknown
from hubops.checks.layers import find_user_notes, read_layers
from hubops.checks.smoke import describe, smoke
from hubops.checks.trial_model import Contents, Package, Trial
from hubops.clients.artifacts import Artifacts
from hubops.clients.builder import Builder, BuildRequest
from hubops.clients.image_documents import Documents
from hubops.clients.registry import BRIEFLY_S, Registry
from hubops.desired.images import reference
from hubops.desired.model import Fleet, ImageReference
from hubops.desired.seats import find_seats
from hubops.errors import HubopsError
from hubops.events import Emit, Line
from hubops.execute.build import Workshop
from hubops.execute.sbom import SBOM
from hubops.report.image_changes import changes_as_json, describe_changes
from hubops.report.sbom import parse_sbom
from hubops.run.entrypoint import read_entrypoint
from hubops.run.graph import MadeImage, make_images


@dataclass(frozen=True)
class Tried:
    """An image that did well; `before` is the one in its place at another commit, else `why_unknown` says why not."""

    name: str
    trial: Trial
    now: Contents
    before: Contents | None
    why_unknown: str = ""

    def __str__(self) -> str:
        return f"built; {describe(self.trial) or 'no hub gives it to people, and it has no notebooks'}"

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: what is another in it, and what they should know."""
        changes = describe_changes(self.before, self.now, self.why_unknown)
        return (*changes, *(f"note: {note}" for note in self.trial.notes))

    @property
    def as_json(self) -> Mapping[str, Any]:
        return changes_as_json(self.name, self.before, self.now, self.trial.notes)


async def try_images(
    fleet: Fleet,
    names: Iterable[str],
    registry: str,
    workshop: Workshop,
    emit: Emit,
    *,
    before: Fleet | None,
) -> tuple[Mapping[str, MadeImage], Mapping[str, Tried]]:
    """Build images here, push nothing, test them, and compare each with that of `before`, if the registry has it.

    Gives what came of each, and of those that did well what is in them.
    """
    tried: dict[str, Tried] = {}

    async def try_one(name: str, request: BuildRequest, image: ImageReference) -> str:
        trial = await require_tested(fleet, name, request, workshop, emit)
        builder = (await workshop.bench()).builder
        was, why = await _find_before(before, name, registry, workshop.registry)
        documents = await _describe(image, request, builder, workshop.registry, emit)
        tried[name] = _compare(name, trial, documents, was, why)
        return str(tried[name])

    made = await make_images(fleet, names, registry, workshop, emit, push=False, then=try_one)
    return made, tried


async def require_tested(
    fleet: Fleet, name: str, request: BuildRequest, workshop: Workshop, emit: Emit
) -> Trial:
    """Do in an image what the fleet's hubs and its own notebooks ask of it; as `smoke`."""
    seats, builder = find_seats(fleet, name), (await workshop.bench()).builder
    if not seats:
        return await smoke(builder, request, seats, emit)
    found = await read_entrypoint(request, workshop.registry)
    if isinstance(found, Present):
        return await smoke(builder, request, seats, emit, entrypoint=found.value)
    reason = found.reason if isinstance(found, Unknown) else "it is not there"
    trial = await smoke(builder, request, seats, emit)
    return replace(
        trial, notes=(*trial.notes, f"its ENTRYPOINT is not tested, for it is not known: {reason}")
    )


def _compare(
    name: str, trial: Trial, documents: Documents | None, before: Contents | None, why_unknown: str
) -> Tried:
    notes, layers = ["its size is not known: the builder does not tell it"], None
    if documents:
        notes, layers = [*find_user_notes(documents[1])], read_layers(*documents)
    now = Contents(trial.packages or None, layers)
    return Tried(name, replace(trial, notes=(*trial.notes, *notes)), now, before, why_unknown)


async def _describe(
    image: ImageReference, request: BuildRequest, builder: Builder, registry: Registry, emit: Emit
) -> Documents | None:
    """From the registry, where it was there already; else from the builder; None where neither gives it."""
    found = await Artifacts(registry).find_documents(image.repository, image.digest)
    if isinstance(found, Present):
        return found.value
    try:
        return await builder.describe(request, image.digest, lambda line: emit(Line(line)))
    except (ValueError, HubopsError):
        return None


async def _find_before(
    before: Fleet | None, name: str, registry: str, client: Registry
) -> tuple[Contents | None, str]:
    """What the registry has of the image as it was, or why nobody knows it."""
    if before is None:
        return None, "it is not known what was before this change"
    if name not in before.images:
        return None, "it is new"
    image, artifacts = reference(before, registry, name), Artifacts(client)
    digest = await client.find_digest(image.repository, image.tag, limit_s=BRIEFLY_S)
    found = (
        await artifacts.find_documents(image.repository, digest.value)
        if isinstance(digest, Present)
        else digest
    )
    if isinstance(found, Unknown):
        return None, f"nobody can tell whether {image} is in the registry: {found.reason}"
    if isinstance(found, Absent) or isinstance(digest, Absent | Unknown):
        return None, f"{image} is not in the registry"
    return Contents(await _find_packages(image, digest.value, artifacts), read_layers(*found.value)), ""


async def _find_packages(
    image: ImageReference, digest: str, artifacts: Artifacts
) -> tuple[Package, ...] | None:
    found = await artifacts.find(image.repository, digest, SBOM)
    try:
        return parse_sbom(found.value) if isinstance(found, Present) else None
    except ValueError:
        return None
