"""Building into a real registry that fails before, during and after the push: the outcome, and what is left of it."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster.registry_server import Proxy, Request, serve_proxy, serve_registry, write_login
from hourglass import Hourglass
from hubops.answer import Absent, Present
from hubops.clients.builder import Builder
from hubops.clients.registry import Registry
from hubops.desired.images import reference
from hubops.desired.model import Fleet, Image, ImageReference
from hubops.errors import OutOfReachError, RegistryError
from hubops.events import Event, StepEnded
from hubops.execute.build import Bench, Workshop
from hubops.execute.room import Room
from hubops.local.up import Local
from hubops.run import build_images

# Each harm is tried in every run where it is quick; all of them at every place by ./test --long.
LONG = [pytest.param(harm, marks=pytest.mark.long) for harm in ("401", "403", "429", "timeout")]
HARMS = ["404", "500", "cut", *LONG]
SILENCE_S = 0.5
PLENTY = Room(2, 8 << 30, 50 << 30, "/")


@pytest.fixture(scope="module")
async def address(local: Local, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with serve_registry(local.instance, tmp_path_factory.mktemp("registry")) as address:
        yield address


@dataclass
class Bay:
    """One image to build and a registry behind a proxy to push it to; `notes` are what its steps said."""

    proxy: Proxy
    fleet: Fleet
    workshop: Workshop
    address: str
    builder: Builder
    notes: list[str] = field(default_factory=list)

    def anew(self) -> None:
        """As a run that begins: nobody was silent yet, and nobody gave a token."""

        async def bench() -> Bench:
            return Bench(self.builder, lambda: PLENTY)

        self.workshop = Workshop(
            Registry(None, SILENCE_S, Hourglass().patience), bench, self.fleet.root / "logs"
        )

    @property
    def image(self) -> ImageReference:
        return reference(self.fleet, self.proxy.host, "earth")

    async def build(self, *, push: bool) -> ImageReference:
        built = await build_images(
            self.fleet, ["earth"], self.proxy.host, self.workshop, self.tell, push=push
        )
        return built["earth"]

    def tell(self, event: Event) -> None:
        if isinstance(event, StepEnded):
            self.notes.append(event.note)

    async def stored(self) -> str:
        """What the registry itself has under the tag."""
        found = await Registry().find_digest(
            self.image.repository.replace(self.proxy.host, self.address), self.image.tag
        )
        return found.value if isinstance(found, Present) else ""


@pytest.fixture
def bay(address: str, builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bay]:
    (tmp_path / "earth").mkdir()
    (tmp_path / "earth" / "Dockerfile").write_text("FROM scratch\nCOPY a /\n")
    (tmp_path / "earth" / "a").write_text(tmp_path.name)  # a tag of each test's own
    with serve_proxy(address, silence_s=2 * SILENCE_S) as proxy:
        proxy.guarded = True
        monkeypatch.setenv("DOCKER_CONFIG", str(write_login(tmp_path / "docker", proxy.host)))
        fleet = Fleet(
            tmp_path, proxy.host, "hubops/{name}", {}, {"earth": Image("earth", tmp_path / "earth")}
        )
        bay = Bay(proxy, fleet, Workshop(Registry(), no_bench, tmp_path / "logs"), address, builder)
        bay.anew()
        yield bay


async def no_bench() -> Bench:
    raise AssertionError


async def test_what_was_pushed_is_read_back_and_not_built_again(bay: Bay) -> None:
    built = await bay.build(push=True)
    assert built.digest == await bay.stored() != ""
    bay.proxy.seen.clear()
    assert await bay.build(push=True) == built
    assert bay.notes == ["built and pushed", "already in the registry"]
    assert all(line.startswith("HEAD") for line in bay.proxy.seen)


def asks(request: Request) -> bool:
    """A question for the manifest."""
    return request.method == "HEAD" and "/manifests/" in request.path


def was_pushed(bay: Bay) -> bool:
    """The manifest went over, and all else before it."""
    return any(line.startswith("PUT") and "/manifests/" in line for line in bay.proxy.seen)


@pytest.mark.parametrize("harm", HARMS)
async def test_a_fault_before_the_build(harm: str, bay: Bay) -> None:
    bay.proxy.harm(lambda request: harm if asks(request) else "")
    if harm == "404":  # absent, and so it is once it was pushed, says the registry
        with pytest.raises(RegistryError, match="was pushed, and is not in its registry"):
            await bay.build(push=True)
        return
    with pytest.raises(OutOfReachError, match="nobody can tell whether"):
        await bay.build(push=True)
    assert all(line.startswith(("HEAD", "GET /token")) for line in bay.proxy.seen), "nothing was sent"
    assert await bay.stored() == ""
    bay.anew()
    bay.proxy.harm(lambda request: harm if request.number == 2 else "")
    assert (await bay.build(push=True)).digest == await bay.stored() != ""


@pytest.mark.parametrize("harm", HARMS)
async def test_a_fault_before_a_build_that_is_not_pushed(harm: str, bay: Bay) -> None:
    bay.proxy.harm(lambda request: harm if asks(request) else "")
    assert (await bay.build(push=False)).digest
    told = "built" if harm == "404" else "built; nobody can tell whether the registry has it: localhost"
    assert bay.notes[0].startswith(told)
    assert await bay.stored() == ""


@pytest.mark.parametrize("harm", HARMS)
async def test_a_fault_after_the_push(harm: str, bay: Bay) -> None:
    bay.proxy.harm(lambda request: harm if asks(request) and was_pushed(bay) else "")
    error = RegistryError if harm == "404" else OutOfReachError
    with pytest.raises(error, match=r"pushed, and is not|whether the push of"):
        await bay.build(push=True)
    bay.proxy.harm(lambda _: "")
    # It arrived all the same, and the next run finds it.
    assert (await bay.build(push=True)).digest == await bay.stored() != ""
    assert bay.notes[-1] == "already in the registry"


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "harm", ["403", *(pytest.param(h, marks=pytest.mark.long) for h in ("401", "404", "429", "500", "cut"))]
)
async def test_a_fault_in_the_push_is_no_success(method: str, harm: str, bay: Bay) -> None:
    """POST begins a layer; PUT ends one, and writes the manifest."""
    bay.proxy.harm(lambda request: harm if request.method == method else "")
    with pytest.raises((RegistryError, OutOfReachError), match="was not built: the registry"):
        await bay.build(push=True)
    assert await bay.stored() == ""
    bay.proxy.harm(lambda _: "")
    assert (await bay.build(push=True)).digest == await bay.stored() != ""


async def test_who_comes_second_takes_what_the_registry_has(bay: Bay, tmp_path: Path) -> None:
    """Another build of the same tag arrives just after ours."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    bench = Bench(bay.builder, lambda: PLENTY)
    theirs = ""

    class Slow:
        async def build(self, request: object, on_line: Callable[[str], None]) -> str:
            nonlocal theirs
            ours = await bench.builder.build(request, on_line)  # type: ignore[arg-type]  # handed on as it came
            request_ = await bench.request(Image("other", other), bay.image, {}, push=True)
            theirs = await bench.builder.build(request_, on_line)
            assert theirs != ours
            return ours

        def __getattr__(self, name: str) -> object:
            return getattr(bench.builder, name)

    async def slow() -> Bench:
        return Bench(Slow(), lambda: PLENTY)  # type: ignore[arg-type]  # of a builder it has what is called

    bay.workshop = Workshop(bay.workshop.registry, slow, tmp_path / "logs")
    image = await bay.build(push=True)
    assert image.digest == theirs == await bay.stored()
    assert bay.notes == ["built; another build of it is kept"]


async def test_a_tag_that_nobody_pushed_is_absent(bay: Bay) -> None:
    assert await bay.workshop.registry.find_digest(bay.image.repository, "c0", push=True) == Absent()
