"""Images in the order in which they are made from each other, as many at once as the machine takes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic

from hubops.answer import Present, Unknown
from hubops.clients.builder import BuildRequest
from hubops.desired.images import references
from hubops.desired.model import Fleet, ImageReference
from hubops.errors import HubopsError, SkippedError
from hubops.events import Emit, Event, Line, step
from hubops.execute.build import Bench, Workshop, build_image, title
from hubops.execute.pushed import look_up
from hubops.execute.room import builds_at_once
from hubops.run.slots import Slots

Then = Callable[[str, BuildRequest, ImageReference], Awaitable[str]]


@dataclass(frozen=True)
class MadeImage:
    """What came of an image: its `error`, or the `image` with its digest; `pushed` when its registry has it.

    `took_s` is without waiting for others.
    """

    image: ImageReference
    error: HubopsError | None = None
    note: str = ""
    took_s: float = 0
    pushed: bool = False


async def make_images(
    fleet: Fleet,
    names: Iterable[str],
    registry: str,
    workshop: Workshop,
    emit: Emit,
    *,
    push: bool,
    then: Then | None = None,
) -> dict[str, MadeImage]:
    """Build, and push if asked, each image that the registry lacks, each after those that it is made from.

    One that fails, or that is to be pushed and fails its test, stops only those that are made from it. `then` is done
    with each image afterwards, also where the registry has it, and says in words what came of it.

    Raises:
        RepositoryError: no directory builds one of them.
    """
    names = list(dict.fromkeys(names))
    wanted = references(fleet, registry, names)
    with tempfile.TemporaryDirectory(prefix="hubops-images-") as directory:
        async with asyncio.TaskGroup() as group:
            graph = _Graph(fleet, wanted, workshop, emit, push, then, group, Path(directory))
            tasks = {name: graph.image(name) for name in names}
        return {name: task.result() for name, task in tasks.items()}


@dataclass
class _Graph:
    """One run; no task of it fails for an expected reason, so that the others go on."""

    fleet: Fleet
    wanted: Mapping[str, ImageReference]
    workshop: Workshop
    emit: Emit
    push: bool
    then: Then | None
    group: asyncio.TaskGroup
    directory: Path
    _tasks: dict[str, asyncio.Task[MadeImage]] = field(default_factory=dict)
    _slots: Slots | None = None

    def image(self, name: str) -> asyncio.Task[MadeImage]:
        """The image, asked for and made once."""
        if name not in self._tasks:
            self._tasks[name] = self.group.create_task(self._image(name))
        return self._tasks[name]

    async def _image(self, name: str) -> MadeImage:
        image = self.wanted[name]
        try:
            found = await look_up(image, self.workshop.registry, push=self.push)
            if isinstance(found, Present):
                image = replace(image, digest=found.value)
                with step(self.emit, title(image)) as note:
                    note.text = "already in the registry"
                if self.then is None:
                    return MadeImage(image, note=note.text, pushed=True)
            own = {base: await self._source(name, base) for base in self.fleet.images[name].own}
            bench = await self.workshop.bench()
            request = await bench.request(
                self.fleet.images[name],
                self.wanted[name],
                own,
                push=self.push,
                answers=not isinstance(found, Unknown),
            )
            async with self._slot(name, bench):
                unknown = found.reason if isinstance(found, Unknown) else ""
                return await self._make(name, image, request, unknown)
        except HubopsError as error:
            return MadeImage(image, error)

    async def _make(self, name: str, image: ImageReference, request: BuildRequest, unknown: str) -> MadeImage:
        began, pushed = monotonic(), self.push or bool(image.digest)
        try:
            if not image.digest:
                layout = None if pushed or not self._above(name) else self.directory / name
                test = partial(self._test, name) if self.push else None
                image = await build_image(
                    request, image, self.workshop, self.emit, layout=layout, unknown=unknown, test=test
                )
            note = await self.then(name, request, image) if self.then else ""
            return MadeImage(image, None, note, monotonic() - began, pushed)
        except HubopsError as error:
            return MadeImage(image, error, took_s=monotonic() - began)

    async def _test(self, name: str, request: BuildRequest, on_line: Callable[[str], None]) -> bytes:
        # They import what a deploy of images that are there has no use for.
        from hubops.report.sbom import format_sbom  # noqa: PLC0415 - see above
        from hubops.run.try_image import require_tested  # noqa: PLC0415 - see above

        def emit(event: Event) -> None:
            if isinstance(event, Line):
                on_line(event.text)

        trial = await require_tested(self.fleet, name, request, self.workshop, emit)
        return format_sbom(name, trial.packages) if trial.packages else b""

    async def _source(self, name: str, base: str) -> str | Path:
        """What stands for one of our images in the build of another.

        Raises:
            SkippedError: it could not be made.
        """
        made = await self.image(base)
        if made.error:
            raise SkippedError(
                f"the image {name} was not built",
                where=f"{self.fleet.images[name].directory.relative_to(self.fleet.root).as_posix()}/Dockerfile",
                why=f"it is made from {base}, which could not be built",
                hint=f"Correct {base}; then both are built.",
            )
        return f"{made.image.repository}@{made.image.digest}" if made.pushed else self.directory / base

    @asynccontextmanager
    async def _slot(self, name: str, bench: Bench) -> AsyncIterator[None]:
        self._slots = self._slots or Slots(lambda: builds_at_once(bench.room()))
        async with self._slots.take(self._height(name)):
            builds_at_once(bench.room())  # those before may have used what there was
            yield

    def _above(self, name: str) -> list[str]:
        return [other for other in self.wanted if name in self.fleet.images[other].own]

    def _height(self, name: str) -> int:
        """How many wait for each other behind it."""
        return max((1 + self._height(other) for other in self._above(name)), default=0)
