"""A store that speaks S3, when it does not do what it was asked: what is told of that, by real HTTP; the rest is in tests/cluster."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from fast.fault_proxy import Cut, Proxy, Reply, serve_faults
from hubops.answer import Absent
from hubops.cli.archives import find_archive, find_place
from hubops.clients import s3, s3_writer
from hubops.clients.s3 import Bucket
from hubops.clients.s3_writer import IN_MEMORY, MAX_PARTS
from hubops.errors import (
    ClusterError,
    HubopsError,
    MachineError,
    OutOfReachError,
    RefusedError,
    StoreError,
    UsageError,
)
from hubops.execute.archive_bucket import BucketArchive, BucketPlace, part_bytes
from hubops.execute.archive_directory import DirectoryPlace
from hubops.execute.archive_place import read_manifest
from hubops.secret import MASK, Redactor
from hubops.state.archive_model import MANIFEST

SECRET = "secret/of+the+store"
SETTINGS = {
    "AWS_ACCESS_KEY_ID": "ada",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A home without ~/.aws, and a key in the environment."""
    for name, text in {**SETTINGS, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, text)
    return monkeypatch


@pytest.fixture(scope="module")
def server() -> Iterator[Proxy]:
    with serve_faults() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def bucket(server: Proxy) -> Bucket:
    with pytest.MonkeyPatch.context() as settings:
        for name, text in {**SETTINGS, "AWS_ENDPOINT_URL_S3": server.url}.items():
            settings.setenv(name, text)
        return s3.connect("archives", Redactor())


def error(code: str, message: str = "so it is") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@pytest.mark.parametrize(
    ("answer", "kind", "what"),
    [
        ((403, "InvalidAccessKeyId"), StoreError, "does not take this key"),
        ((403, "SignatureDoesNotMatch"), StoreError, "does not take this key"),
        ((400, "ExpiredToken"), StoreError, "no longer valid"),
        ((403, "AccessDenied"), StoreError, "the store refuses"),
        ((404, "NoSuchBucket"), StoreError, "no such bucket"),
        ((400, "AuthorizationHeaderMalformed"), StoreError, "another region"),
        ((403, "RequestTimeTooSkewed"), MachineError, "clock"),
        ((507, "XMinioStorageFull"), StoreError, "full"),
        ((403, "QuotaExceeded"), StoreError, "full"),
        ((400, "BadDigest"), OutOfReachError, "did not do it"),
        ((412, "PreconditionFailed"), StoreError, "became another one"),
        ((429, ""), OutOfReachError, "did not do it"),
        ((500, "InternalError"), OutOfReachError, "did not do it"),
        ((503, "SlowDown"), OutOfReachError, "did not do it"),
        ((404, ""), StoreError, "the store refuses"),
    ],
)
def test_what_an_answer_means(
    answer: tuple[int, str], kind: type[HubopsError], what: str, server: Proxy, bucket: Bucket
) -> None:
    status, code = answer
    server.fault = lambda *_: Reply(status, error(code) if code else b"")
    with pytest.raises(kind, match=what) as caught:
        bucket.put("a/key", b"x")
    assert code in caught.value.why
    assert f"s3://archives/a/key at {server.url}" in caught.value.where
    # To read is no other matter: only the store's own word says that there is nothing.
    with pytest.raises(kind, match=what):
        bucket.get("a/key")
    with pytest.raises(kind, match=what):
        read_manifest(BucketArchive(bucket, "a/course-20260301T100000"))


def test_only_the_stores_own_word_means_absent(server: Proxy, bucket: Bucket) -> None:
    server.fault = lambda *_: Reply(404, error("NoSuchKey"))
    assert bucket.get("a/key") == Absent()
    with pytest.raises(RefusedError, match="no archive of a hub") as caught:
        read_manifest(BucketArchive(bucket, "a/course-20260301T100000"))
    assert caught.value.why == f"it has no {MANIFEST}"


def test_a_connection_that_is_cut_is_unknown(server: Proxy, bucket: Bucket) -> None:
    server.fault = lambda *_: Cut()
    with pytest.raises(OutOfReachError):
        bucket.get("a/key")


def test_a_store_that_is_away(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(OutOfReachError, match="out of reach") as caught:
        s3.connect("archives", Redactor()).put("a/key", b"x")
    assert "127.0.0.1:1" in caught.value.why


def no_key(settings: pytest.MonkeyPatch, _: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        settings.delenv(name)


def half_a_key(settings: pytest.MonkeyPatch, home: Path) -> None:
    no_key(settings, home)
    write(home, "credentials", "[default]\naws_access_key_id = ada\n")


def no_profile(settings: pytest.MonkeyPatch, _: Path) -> None:
    settings.setenv("AWS_PROFILE", "nobody")


def no_config(_: pytest.MonkeyPatch, home: Path) -> None:
    write(home, "config", "this is no section\n")


def a_program_that_fails(settings: pytest.MonkeyPatch, home: Path) -> None:
    no_key(settings, home)
    write(home, "config", "[default]\ncredential_process = false\n")


def write(home: Path, name: str, text: str) -> None:
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / name).write_text(text)


@pytest.mark.parametrize("spoil", [no_key, half_a_key, no_profile, no_config, a_program_that_fails])
def test_without_a_key_it_is_told_where_one_may_be(
    spoil: Callable[[pytest.MonkeyPatch, Path], None], settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spoil(settings, tmp_path)
    with pytest.raises(MachineError, match="no key for the store") as caught:
        s3.connect("archives", Redactor())
    assert caught.value.why
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    assert "~/.aws" in caught.value.hint


def test_a_name_that_no_bucket_has(bucket: Bucket) -> None:
    with pytest.raises(UsageError, match="no bucket"):
        Bucket(bucket.client, "No Bucket").put("a/key", b"x")


def test_a_profile_has_key_endpoint_and_region_and_nothing_is_written(
    server: Proxy, settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_key(settings, tmp_path)
    settings.delenv("AWS_REGION")
    settings.setenv("AWS_PROFILE", "campus")
    write(tmp_path, "config", f"[profile campus]\nregion = here\nendpoint_url = {server.url}\n")
    keys = (
        f"aws_access_key_id = ada\naws_secret_access_key = {SECRET}\naws_session_token = token/of+a+session\n"
    )
    write(tmp_path, "credentials", f"[campus]\n{keys}")
    before = {path: digest(path) for path in tmp_path.rglob("*")}
    redactor = Redactor()
    server.fault = lambda *_: Reply(200)
    s3.connect("archives", redactor).put("a/key", b"x")
    assert server.seen[-1] == ("PUT", "/archives/a/key")
    assert redactor.mask(f"{SECRET} token/of+a+session") == f"{MASK} {MASK}"
    assert {path: digest(path) for path in tmp_path.rglob("*")} == before


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def test_a_password_in_the_endpoint_is_not_shown(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("AWS_ENDPOINT_URL_S3", "http://ada:canary-4711@127.0.0.1:1")
    redactor = Redactor()
    with pytest.raises(HubopsError) as caught:
        s3.connect("archives", redactor).put("a/key", b"x")
    assert "canary" not in caught.value.where
    assert "canary" not in redactor.mask(str(caught.value))


@pytest.mark.parametrize("address", ["minio:9000", "https://ada:canary-4711@[::1"])
def test_what_is_no_address_is_told_without_it(address: str, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("AWS_ENDPOINT_URL_S3", address)
    with pytest.raises(MachineError, match="the address of the store is none") as caught:
        s3.connect("archives", Redactor())
    assert "AWS_ENDPOINT_URL_S3" in caught.value.where
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "note", [b"", b"no JSON", b"[]", b'{"cluster": "campus"}', b'{"cluster": "other", "files": ["a"]}']
)
async def test_what_somebody_else_put_beside_archives_is_let_be(
    note: bytes, server: Proxy, bucket: Bucket
) -> None:
    listed = b"<ListBucketResult><Contents><Key>a/course.part/x.json</Key><Size>1</Size></Contents></ListBucketResult>"
    server.fault = lambda _, path: Reply(200, listed if "list-type" in path else note)
    assert BucketPlace(bucket, "a")._unfinished("course", "campus") == []


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://archives", "archives", ""),
        ("s3://archives/", "archives", ""),
        ("s3://archives/hubs/2026/", "archives", "hubs/2026"),
    ],
)
def test_a_bucket_is_written_as_a_url(text: str, bucket: str, prefix: str, tmp_path: Path) -> None:
    place = find_place(text, tmp_path, Redactor())
    assert isinstance(place, BucketPlace)
    assert (place.bucket.name, place.prefix) == (bucket, prefix)


@pytest.mark.parametrize("text", ["s3:/archives", "s3://", "gs://archives", "https://store/archives"])
def test_another_url_is_no_place(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no place for archives"):
        find_place(text, tmp_path, Redactor())
    with pytest.raises(UsageError, match="no place for archives"):
        find_archive(text, Redactor())


def test_a_directory_is_one_that_nobody_commits(tmp_path: Path) -> None:
    repository = tmp_path / "operations"
    assert find_place(str(tmp_path / "archives"), repository, Redactor()) == DirectoryPlace(
        tmp_path / "archives"
    )
    with pytest.raises(UsageError, match="in the repository"):
        find_place(str(tmp_path / "operations" / "archives"), repository, Redactor())


@pytest.mark.parametrize("gib", [0, 1, 10, 30, 200, 1000, 16000])
def test_there_are_never_too_many_parts(gib: int) -> None:
    size = part_bytes(gib << 30)
    assert size * MAX_PARTS >= (gib << 30) * 1.25
    assert size == IN_MEMORY or gib > 30


@pytest.mark.parametrize("size", [1, 5, 7, 100])
async def test_parts_are_the_same_bytes(size: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(6):
            yield bytes([number]) * number * 3

    parts = [part.read() async for part in s3_writer._parts(pieces(), size)]
    assert b"".join(parts) == b"".join([piece async for piece in pieces()])
    assert {len(part) for part in parts[:-1]} <= {size}
    assert 0 < len(parts[-1]) <= size


async def test_nothing_is_one_empty_part() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        for _ in range(0):
            yield b""

    assert [part.read() async for part in s3_writer._parts(nothing(), 5)] == [b""]


async def test_what_went_wrong_is_told_also_where_the_upload_cannot_be_aborted(
    server: Proxy, bucket: Bucket
) -> None:
    begun = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    server.fault = lambda method, _: (
        Reply(200, begun) if method == "POST" else Reply(403, error("AccessDenied"))
    )

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"
        raise ClusterError("a volume cannot be read")

    with pytest.raises(ClusterError):
        await bucket.upload("a/key", pieces(), 10)
    assert server.seen[-1][0] == "DELETE"


def open_full() -> IO[bytes]:
    return Path("/dev/full").open("r+b", buffering=0)


async def test_a_part_for_which_there_is_no_room_here(server: Proxy, bucket: Bucket) -> None:
    """Big ones are on disk, which here is full."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no full device here")
    begun = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    server.fault = lambda method, _: Reply(200, begun if method == "POST" else b"")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 20

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_writer, "SpooledTemporaryFile", lambda _: open_full())
        with pytest.raises(MachineError, match="cannot be kept") as caught:
            await bucket.upload("a/key", pieces(), 10)
    assert caught.value.why == "No space left on device"
    assert server.seen[-1] == ("DELETE", "/archives/a/key?uploadId=u")
