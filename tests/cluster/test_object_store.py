"""Archives in a real store that speaks S3: whole or not there at all, whatever happens meanwhile. No cluster is needed."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.object_store import BUCKET, GUEST, GUESTS_SECRET, Store, serve_store
from fast.fault_proxy import Cut, Proxy, Reply, serve_faults
from fast.test_archive import furnish, lines
from fast.test_archive import manifest as make_manifest
from fast.volumes import claim, serve
from hubops.clients import process, s3
from hubops.errors import MachineError, OutOfReachError, RefusedError, StoreError
from hubops.events import Event, Remark
from hubops.execute.archive import archive_claim, upload
from hubops.execute.archive_bucket import BucketArchive, BucketPlace
from hubops.execute.archive_directory import DirectoryArchive
from hubops.execute.archive_place import read_manifest, require_whole
from hubops.secret import Redactor
from hubops.state.archive_model import Archived

FILE = "claim-ada.tar.gz"
HERE, ELSEWHERE = "uid-of-a-cluster", "uid-of-another"
BUSY = Reply(503, b"<Error><Code>SlowDown</Code><Message>later</Message></Error>")
FULL = Reply(507, b"<Error><Code>XMinioStorageFull</Code><Message>no room</Message></Error>")


@dataclass
class Operator:
    """Somebody with a key for the store, which is reached by way of a proxy; `told` is what they read."""

    store: Store
    proxy: Proxy
    settings: pytest.MonkeyPatch
    told: list[str] = field(default_factory=list)

    def place(self, prefix: str = "hubs", **settings: str) -> BucketPlace:
        for name, text in settings.items():
            self.settings.setenv(name, text)
        return BucketPlace(s3.connect(BUCKET, Redactor()), prefix)

    def begin(
        self, files: list[str] | None = None, cluster: str = HERE
    ) -> AbstractAsyncContextManager[BucketArchive]:
        return self.place().begin("course", cluster, files or [FILE], self.emit)

    def emit(self, event: Event) -> None:
        assert isinstance(event, Remark)
        self.told.append(event.text)


@pytest.fixture(scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    async with serve_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def operator(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Operator]:
    with serve_faults(store.url) as proxy:
        env = {**store.env, "HOME": str(tmp_path), "AWS_ENDPOINT_URL_S3": proxy.url, "AWS_MAX_ATTEMPTS": "1"}
        for name, text in env.items():
            monkeypatch.setenv(name, text)
        bucket = s3.connect(BUCKET, Redactor())
        yield Operator(store, proxy, monkeypatch)
        proxy.fault = lambda *_: None
        monkeypatch.undo()
        for key in store.objects:
            bucket.delete(key)
        assert (bucket.sizes(""), store.uploads) == ({}, 0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Six megabytes that do not pack: two parts."""
    (tmp_path / "home").mkdir()
    furnish(tmp_path / "home")
    (tmp_path / "home" / "big").write_bytes(os.urandom(6 << 20))
    return tmp_path / "home"


async def make_archive(operator: Operator, home: Path) -> tuple[BucketArchive, Archived]:
    async with operator.begin() as part, serve(home) as volume:
        archived = await archive_claim(volume, claim(), part)
        made, _ = await part.complete(make_manifest(archived))
        return made, archived


async def test_a_home_goes_into_a_bucket_and_back_as_it_was(
    operator: Operator, home: Path, tmp_path: Path
) -> None:
    made, archived = await make_archive(operator, home)
    name = made.prefix.removeprefix("hubs/")
    assert operator.store.objects == [f"hubs/{name}/{FILE}", f"hubs/{name}/manifest.json"]
    writes = [
        path.partition("?")[0] for method, path in operator.proxy.seen if method in {"PUT", "POST", "DELETE"}
    ]
    assert writes[-2:] == [f"/{BUCKET}/hubs/{name}/manifest.json", f"/{BUCKET}/hubs/course.part/{name}.json"]
    assert made.where == f"s3://archives/hubs/{name}"
    assert made.place == f"s3://archives/hubs/{name} at {operator.proxy.url}"
    assert read_manifest(made) == make_manifest(archived)
    require_whole(made, archived)
    (tmp_path / "back").mkdir()
    async with serve(tmp_path / "back") as volume:
        assert await upload(volume, made, FILE) == archived.content
        await volume.swap("aside")
    assert lines(tmp_path / "back") == lines(home)


async def test_what_is_copied_out_of_a_bucket_is_an_archive_as_well(operator: Operator, home: Path) -> None:
    made, archived = await make_archive(operator, home)
    copy = DirectoryArchive(operator.store.directory / "data" / BUCKET / made.prefix)
    assert read_manifest(copy) == read_manifest(made)
    require_whole(copy, archived)


async def test_who_is_interrupted_leaves_nothing(operator: Operator, home: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(20 << 20)
        begun.set()
        await asyncio.sleep(60)

    async def make() -> None:
        async with operator.begin([FILE, "b.tar.gz"]) as part, serve(home) as volume:
            await archive_claim(volume, claim(), part)
            await part.write("b.tar.gz", endless(), 0)

    making = asyncio.create_task(make())
    await begun.wait()
    assert operator.store.uploads == 1
    making.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await making
    assert (operator.store.objects, operator.store.uploads, operator.told) == ([], 0, [])


async def test_what_a_killed_run_left_is_taken_away_by_the_next(operator: Operator) -> None:
    place = operator.place()
    name = "course-20260301T100000"
    note = {"cluster": HERE, "files": [FILE, "b.tar.gz", "c.tar.gz"]}
    place.bucket.put(f"hubs/course.part/{name}.json", json.dumps(note).encode())
    place.bucket.put(f"hubs/{name}/{FILE}", b"whole")
    place.bucket.client.create_multipart_upload(Bucket=BUCKET, Key=f"hubs/{name}/b.tar.gz")
    place.bucket.put("hubs/course-20260101T100000/manifest.json", b"an older one")
    place.bucket.put("hubs/course-2/a.tar.gz", b"of somebody else")
    async with operator.begin():
        left = operator.store.objects
    assert [key for key in left if "course.part" not in key] == [
        "hubs/course-2/a.tar.gz",
        "hubs/course-20260101T100000/manifest.json",
    ]
    assert operator.store.uploads == 0


async def test_another_clusters_unfinished_archive_and_one_that_is_whole_stay(operator: Operator) -> None:
    place = operator.place()
    for name, cluster in (("course-20260301T100000", ELSEWHERE), ("course-20260302T100000", HERE)):
        note = {"cluster": cluster, "files": [FILE]}
        place.bucket.put(f"hubs/course.part/{name}.json", json.dumps(note).encode())
        place.bucket.put(f"hubs/{name}/{FILE}", b"x")
    place.bucket.put("hubs/course-20260302T100000/manifest.json", b"{}")
    async with operator.begin():
        """Begun, and given up."""
    assert operator.store.objects == [
        "hubs/course-20260301T100000/claim-ada.tar.gz",
        "hubs/course-20260302T100000/claim-ada.tar.gz",
        "hubs/course-20260302T100000/manifest.json",
        "hubs/course.part/course-20260301T100000.json",
    ]


async def test_a_file_that_vanishes_from_the_store_makes_no_archive(operator: Operator, home: Path) -> None:
    async with operator.begin() as part, serve(home) as volume:
        archived = await archive_claim(volume, claim(), part)
        part.bucket.delete(part.key(FILE))
        with pytest.raises(StoreError, match="no longer in the store"):
            await part.complete(make_manifest(archived))
    assert operator.store.objects == []


def times(proxy: Proxy, how_often: int, fault: Reply | Cut, method: str, words: str) -> None:
    """Let requests of this kind fail so many times."""
    left = [fault] * how_often

    def answer(asked: str, path: str) -> Reply | Cut | None:
        return left.pop() if left and asked == method and words in path else None

    proxy.fault = answer


async def test_a_store_that_is_busy_is_asked_again_for_the_whole_claim(
    operator: Operator, home: Path
) -> None:
    times(operator.proxy, 2, BUSY, "PUT", "partNumber=2")
    _, archived = await make_archive(operator, home)
    assert archived.files == 6
    assert operator.store.uploads == 0


async def test_a_store_that_stays_busy_has_no_archive(operator: Operator, home: Path) -> None:
    times(operator.proxy, 3, BUSY, "PUT", "partNumber=2")
    with pytest.raises(OutOfReachError, match="did not do it") as caught:
        await make_archive(operator, home)
    assert "SlowDown" in caught.value.why
    assert (operator.store.objects, operator.store.uploads) == ([], 0)


async def test_a_store_without_room_has_no_archive(operator: Operator, home: Path) -> None:
    times(operator.proxy, 1, FULL, "PUT", "partNumber=2")
    with pytest.raises(StoreError, match="the store is full"):
        await make_archive(operator, home)
    assert (operator.store.objects, operator.store.uploads) == ([], 0)


async def test_what_cannot_be_taken_away_is_told(operator: Operator) -> None:
    times(operator.proxy, 9, BUSY, "DELETE", "")
    async with operator.begin():
        """Begun, and given up."""
    assert ["could not be taken away: the store did not do it" in text for text in operator.told] == [True]
    operator.proxy.fault = lambda *_: None
    async with operator.begin():
        assert len(operator.store.objects) == 1, "the new note alone"


@pytest.mark.parametrize("after", [0, 1 << 19])
async def test_a_cut_connection_is_taken_up_where_it_was(operator: Operator, home: Path, after: int) -> None:
    made, archived = await make_archive(operator, home)
    times(operator.proxy, 2, Cut(after), "GET", FILE)
    require_whole(made, archived)
    times(operator.proxy, 99, Cut(after), "GET", FILE)
    with pytest.raises(OutOfReachError):
        require_whole(made, archived)


async def test_a_file_that_is_another_or_gone_is_refused(operator: Operator, home: Path) -> None:
    made, archived = await make_archive(operator, home)
    with made.open(FILE) as file:
        file.read(1)
        made.bucket.put(made.key(FILE), b"\x1f\x8b another")
        with pytest.raises(StoreError, match="became another one"):
            file.read()
    with pytest.raises(RefusedError, match="not the one that was written"):
        require_whole(made, archived)
    made.bucket.put(made.key(FILE), b"")
    with pytest.raises(RefusedError, match="not the one that was written"):
        require_whole(made, archived)
    made.bucket.delete(made.key(FILE))
    with pytest.raises(RefusedError, match="missing"):
        require_whole(made, archived)


REFUSED = {
    "a key that nobody has": ({"AWS_ACCESS_KEY_ID": "nobody"}, StoreError, "does not take this key"),
    "another secret": ({"AWS_SECRET_ACCESS_KEY": "another"}, StoreError, "does not take this key"),
    "somebody who may not": (
        {"AWS_ACCESS_KEY_ID": GUEST, "AWS_SECRET_ACCESS_KEY": GUESTS_SECRET},
        StoreError,
        "the store refuses",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_store_that_refuses_is_told_before_anything_is_done(operator: Operator, case: str) -> None:
    env, kind, what = REFUSED[case]
    with pytest.raises(kind, match=what):
        async with operator.place(**env).begin("course", HERE, [FILE], operator.emit):
            pytest.fail("it began")
    with pytest.raises(kind, match=what):
        read_manifest(BucketArchive(operator.place(**env).bucket, "hubs/course-20260301T100000"))


async def test_no_bucket_and_no_archive_are_two_things(operator: Operator) -> None:
    bucket = operator.place().bucket
    with pytest.raises(StoreError, match="no such bucket"):
        read_manifest(BucketArchive(replace(bucket, name="nothere"), "hubs/course-20260301T100000"))
    with pytest.raises(RefusedError, match="no archive of a hub"):
        read_manifest(BucketArchive(bucket, "hubs/course-20260301T100000"))


async def test_a_wrong_clock_is_told_as_that(operator: Operator) -> None:
    import botocore.auth  # noqa: PLC0415

    def in_an_hour(*_: object) -> datetime:
        return (datetime.now(UTC) + timedelta(hours=1)).replace(tzinfo=None)

    operator.settings.setattr(botocore.auth, "get_current_datetime", in_an_hour)
    with pytest.raises(MachineError, match="clock"):
        operator.place().bucket.put("a/key", b"x")


async def test_a_certificate_of_an_authority_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = tmp_path / "store.crt"
    words = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout {certificate.with_suffix('.key')} -out {certificate}"
    )
    await process.run(words.split())
    async with serve_store(tmp_path / "store", certificate) as store:
        for name, text in {**store.env, "HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, text)
        with pytest.raises(OutOfReachError, match="cannot be trusted") as caught:
            s3.connect(BUCKET, Redactor()).put("a/key", b"x")
        assert "AWS_CA_BUNDLE" in caught.value.hint
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        s3.connect(BUCKET, Redactor()).put("a/key", b"x")
        assert store.objects == ["a/key"]


MAKE = """
import asyncio, re, sys
from pathlib import Path
import hubops.cli.archive  # what the command has in memory besides
from fast.volumes import claim, serve
from hubops.clients import s3
from hubops.execute.archive import archive_claim, now, upload
from hubops.execute.archive_bucket import BucketPlace
from hubops.execute.archive_place import require_whole
from hubops.secret import Redactor
from hubops.state.archive_model import Manifest

async def main(homes, back):
    place = BucketPlace(s3.connect("archives", Redactor()), "")
    claims = [claim(name=home.name, uid=home.name) for home in homes]
    files = [f"{each.name}.tar.gz" for each in claims]

    async def one(part, home, claim):
        async with serve(home) as volume:
            return await archive_claim(volume, claim, part)

    async with place.begin("course", "here", files, print) as part:
        print("begun", flush=True)
        archived = await asyncio.gather(*[one(part, *each) for each in zip(homes, claims)])
        made, _ = await part.complete(Manifest("course", "here", now(), "ci", "", 1, "", tuple(archived)))
    for each in archived:
        require_whole(made, each)
    async with serve(back) as volume:
        assert await upload(volume, made, archived[0].file) == archived[0].content

*homes, back = map(Path, sys.argv[1:])
asyncio.run(main(homes, back))
# What getrusage says has the peak of whoever started it in it.
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
MEMORY_LIMIT_MB = 100


def command(operator: Operator, homes: list[Path], back: Path) -> tuple[list[str], dict[str, str]]:
    """The way of four homes into the bucket and of one back, as a program of its own."""
    back.mkdir()
    env = {**os.environ, "AWS_ENDPOINT_URL_S3": operator.store.url, "PYTHONPATH": os.pathsep.join(sys.path)}
    return [sys.executable, "-c", MAKE, *map(str, homes), str(back)], env


@pytest.fixture
def big_homes(tmp_path: Path) -> list[Path]:
    """Four at once, each bigger than all that may be in memory; the files do not pack."""
    (tmp_path / "data").write_bytes(os.urandom(120 << 20))
    homes = [tmp_path / f"claim-{number}" for number in range(4)]
    for home in homes:
        home.mkdir()
        (home / "data").hardlink_to(tmp_path / "data")
    return homes


KILLED_AT: dict[str, Callable[[Store], bool]] = {
    "the beginning": lambda store: bool(store.objects),
    "its first part": lambda store: store.uploads > 0,
    "its first whole file": lambda store: any(key.endswith(".tar.gz") for key in store.objects),
}


@pytest.mark.long
async def test_no_home_is_ever_whole_in_memory(
    operator: Operator, big_homes: list[Path], tmp_path: Path
) -> None:
    words, env = command(operator, big_homes, tmp_path / "back")
    peak = int((await process.run(words, env=env)).split()[-1]) // 1024
    print(f"peak memory {peak} MB for 4 homes of 120 MB at once")  # noqa: T201 - a figure
    assert peak <= MEMORY_LIMIT_MB


@pytest.mark.long
@pytest.mark.parametrize("moment", KILLED_AT)
async def test_a_killed_run_is_no_archive_and_the_next_goes_well(
    operator: Operator, big_homes: list[Path], tmp_path: Path, moment: str
) -> None:
    words, env = command(operator, big_homes, tmp_path / "back")
    child = await asyncio.create_subprocess_exec(
        *words, env=env, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert child.stdout
    assert await child.stdout.readline() == b"begun\n"
    while not KILLED_AT[moment](operator.store):
        await asyncio.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)  # with what serves its volumes
    await child.wait()
    left = operator.store.objects
    assert not any(key.endswith("manifest.json") for key in left)
    assert any(key.startswith("course.part/") for key in left)
    with pytest.raises(RefusedError, match="no archive of a hub"):
        read_manifest(BucketArchive(operator.place().bucket, left[-1].rpartition("/")[0]))
    async with BucketPlace(operator.place().bucket, "").begin("course", "here", [FILE], operator.emit):
        assert [key.partition("/")[0] for key in operator.store.objects] == ["course.part"], (
            "the new note alone"
        )
        assert operator.store.uploads == 0


@pytest.mark.long
async def test_a_disk_that_is_full_at_the_store(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes a disk that is full")
    disk = tmp_path / "disk"
    disk.mkdir()
    await process.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk])
    try:
        async with serve_store(disk / "store") as store:
            for name, text in {**store.env, "HOME": str(tmp_path)}.items():
                monkeypatch.setenv(name, text)
            place = BucketPlace(s3.connect(BUCKET, Redactor()), "")
            with pytest.raises(StoreError, match="the store is full"):
                async with place.begin("course", HERE, [FILE], print) as part, serve(home) as volume:
                    await archive_claim(volume, claim(), part)
            assert (store.objects, store.uploads) == ([], 0)
    finally:
        await process.run(["umount", disk])
