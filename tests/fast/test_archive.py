"""Archives: a volume goes out and in again as it was, a part never looks like the whole, and what is damaged is seen."""

import asyncio
import contextlib
import io
import os
import shutil
import socket
import sqlite3
import tarfile
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fast.memory_api import MemoryApi
from fast.volumes import claim, serve
from hubops.cli.archive import command
from hubops.errors import ClusterError, MachineError, RefusedError
from hubops.events import Event
from hubops.execute.archive import archive_claim, now, upload
from hubops.execute.archive_content import read_content
from hubops.execute.archive_directory import DirectoryArchive, DirectoryPlace
from hubops.execute.archive_place import read_manifest, require_whole
from hubops.execute.receipts import write_receipt
from hubops.execute.volume import tree
from hubops.execute.volume.pack import Packed
from hubops.execute.volume.unpack import swap
from hubops.report.archive import format_archive
from hubops.state.archive_model import Archived, Kind, Manifest, Receipt, choose_sample, parse_manifest
from hubops.state.receipts import read_receipt

GOOD = Path(__file__).parent / "repositories" / "good"


def furnish(home: Path) -> None:
    """A home with what homes have: links of both kinds, odd names, modes, nothing at all, and much."""
    (home / "course" / "deep").mkdir(parents=True)
    (home / "empty").mkdir(mode=0o700)
    (home / "course" / "one.ipynb").write_text('{"cells": []}')
    (home / "course" / "deep" / "naïve ünd\nnew.txt").write_text("x")
    (home / "big").write_bytes(os.urandom(9 << 20))
    (home / "run.sh").write_text("#!/bin/sh\n")
    (home / "run.sh").chmod(0o750)
    (home / "again").hardlink_to(home / "run.sh")
    (home / "shared").symlink_to("/srv/data")
    (home / "latest").symlink_to("course/one.ipynb")
    (home / "nothing").touch()


def lines(root: Path) -> list[bytes]:
    return sorted(tree.tree_lines(root))


async def test_a_home_goes_out_and_in_again_as_it_was(tmp_path: Path) -> None:
    home, back = tmp_path / "home", tmp_path / "back"
    home.mkdir()
    back.mkdir()
    furnish(home)
    async with serve(home) as volume:
        archived = await archive_claim(volume, claim(), DirectoryArchive(tmp_path))
    assert (archived.files, archived.changed, archived.skipped) == (6, 0, 0)
    assert archived.content == tree.digest(lines(home))
    async with serve(back) as volume:
        assert await volume.entries() == 0
        assert await upload(volume, DirectoryArchive(tmp_path), archived.file) == archived.content
        assert await volume.entries() == 0  # nothing is in its place before all of it is there
        await volume.swap("aside")
        assert await volume.content() == archived.content
    assert lines(back) == lines(home)
    assert (back / "again").samefile(back / "run.sh")


async def test_sockets_are_counted_and_lost_and_found_is_no_content(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "lost+found").mkdir(parents=True)
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(home / "agent"))
        async with serve(home) as volume:
            archived = await archive_claim(volume, claim(), DirectoryArchive(tmp_path))
    assert (archived.files, archived.skipped) == (0, 1)


async def test_a_database_is_of_one_moment_while_it_is_written(tmp_path: Path) -> None:
    home = tmp_path / "db"
    home.mkdir()
    with closing(sqlite3.connect(home / "jupyterhub.sqlite")) as database:
        database.execute("create table users (name text)")
        database.execute("insert into users values ('ada')")
        database.commit()
        database.execute("begin immediate")
        database.execute("insert into users values ('half')")
        async with serve(home) as volume:
            archived = await archive_claim(volume, claim(Kind.DATABASE), DirectoryArchive(tmp_path))
    with tarfile.open(tmp_path / archived.file) as tar:
        assert tar.getnames() == ["jupyterhub.sqlite"]
        tar.extractall(tmp_path / "copy", filter="data")
    with closing(sqlite3.connect(tmp_path / "copy" / "jupyterhub.sqlite")) as copy:
        assert copy.execute("select name from users").fetchall() == [("ada",)]


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "db"
    home.mkdir()
    with closing(sqlite3.connect(home / "jupyterhub.sqlite")) as database:
        database.execute("create table users (name text)")
        database.executemany("insert into users values (?)", [("x" * 500,)] * 100)
        database.commit()
    with (home / "jupyterhub.sqlite").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096)
    async with serve(home) as volume:
        with pytest.raises(ClusterError) as caught:
            await archive_claim(volume, claim(Kind.DATABASE), DirectoryArchive(tmp_path))
    assert "jupyterhub.sqlite" in caught.value.why


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; the cluster's test is not root")
async def test_what_cannot_be_read_is_said_and_is_no_archive(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "theirs").touch(mode=0)
    async with serve(home) as volume:
        with pytest.raises(ClusterError, match="cannot be read as a whole"):
            await archive_claim(volume, claim(), DirectoryArchive(tmp_path))


async def test_a_directory_that_vanishes_ends_the_archive_with_its_reason(tmp_path: Path) -> None:
    async with serve(tmp_path / "gone") as volume:
        with pytest.raises(ClusterError) as caught:
            await archive_claim(volume, claim(), DirectoryArchive(tmp_path))
    assert "No such file" in caught.value.why


async def test_without_the_token_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    async with serve(tmp_path / "home", token="another") as volume:
        with pytest.raises(ClusterError, match="cannot be read"):
            await archive_claim(volume, claim(), DirectoryArchive(tmp_path))


async def test_a_piece_that_is_lost_is_seen(tmp_path: Path) -> None:
    async with serve(tmp_path) as volume:
        await volume.feed(0, b"\x1f\x8b")
        with pytest.raises(ClusterError) as caught:
            await volume.feed(5, b"later")
    assert "piece 5 where 2 was to come" in caught.value.why


async def test_half_an_archive_is_not_put_in_place(tmp_path: Path) -> None:
    home, back = tmp_path / "home", tmp_path / "back"
    home.mkdir()
    back.mkdir()
    furnish(home)
    async with serve(home) as volume:
        archived = await archive_claim(volume, claim(), DirectoryArchive(tmp_path))
    file = tmp_path / archived.file
    file.write_bytes(half := file.read_bytes()[: 4 << 20])
    async with serve(back) as volume:
        with pytest.raises(ClusterError, match="cannot be written"):
            await upload(volume, DirectoryArchive(tmp_path), file.name)
        assert await volume.entries() == 0
        file.write_bytes(b"")  # and the next try begins from the beginning
    assert read_content(io.BytesIO(half)).damage


async def test_an_archive_that_leads_out_of_itself_is_not_unpacked(tmp_path: Path) -> None:
    back = tmp_path / "volume"
    back.mkdir()
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        tar.add(__file__, arcname="../../escaped")
    async with serve(back) as volume:
        with pytest.raises(ClusterError) as caught:
            await upload(volume, DirectoryArchive(tmp_path), "bad.tar.gz")
    assert "leads out" in caught.value.why
    assert not (tmp_path.parent / "escaped").exists()


async def test_one_that_leads_out_through_a_link_of_its_own_is_not_either(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "outside").mkdir()
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("way")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside")
        tar.addfile(link)
        tar.add(__file__, arcname="way/escaped")
    async with serve(tmp_path / "volume") as volume:
        with pytest.raises(ClusterError) as caught:
            await upload(volume, DirectoryArchive(tmp_path), "bad.tar.gz")
    assert "leads out" in caught.value.why
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.LNKTYPE])
def test_what_no_volume_holds_is_damage(kind: bytes) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        odd = tarfile.TarInfo("odd")
        odd.type, odd.linkname = kind, "nowhere"
        tar.addfile(odd)
    content = read_content(io.BytesIO(packed.getvalue()))
    assert content.damage.startswith("it h")
    assert content.packed_bytes == len(packed.getvalue())


def test_a_directory_that_vanishes_while_it_is_packed_is_a_change_and_no_fault(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    seen, packed = [], Packed()
    for name in tree.walk(tmp_path, packed.count_changed):
        seen.append(name)
        if name == "b":
            shutil.rmtree(tmp_path / "b")
    assert seen == ["a", "a/file", "b", "c", "c/file"]
    assert packed.changed == 1
    with pytest.raises(FileNotFoundError):
        list(tree.walk(tmp_path / "none", packed.count_changed))


def test_what_is_replaced_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / tree.STAGING).mkdir()
    (tmp_path / tree.STAGING / "new").write_text("new")
    swap(tmp_path, "before")
    assert {path.name for path in tmp_path.iterdir()} == {"new", "before"}
    assert (tmp_path / "before" / "old").read_text() == "old"


async def test_what_an_earlier_try_left_is_no_hindrance(tmp_path: Path) -> None:
    left = tmp_path / "home" / tree.STAGING / "locked"
    left.mkdir(parents=True)
    (left / "file").touch()
    left.chmod(0o500)
    (tmp_path / "new").mkdir()
    async with serve(tmp_path / "new") as volume:
        archived = await archive_claim(volume, claim(), DirectoryArchive(tmp_path))
    async with serve(tmp_path / "home") as volume:
        assert await upload(volume, DirectoryArchive(tmp_path), archived.file) == archived.content
        await volume.swap("aside")
    assert list((tmp_path / "home").iterdir()) == []


async def test_a_full_disk_is_said(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no full device here")
    (tmp_path / "home").mkdir()
    furnish(tmp_path / "home")
    (tmp_path / "claim-ada.tar.gz").symlink_to("/dev/full")
    async with serve(tmp_path / "home") as volume:
        with pytest.raises(MachineError) as caught:
            await archive_claim(volume, claim(), DirectoryArchive(tmp_path))
    assert (caught.value.why, caught.value.hint[:9]) == ("No space left on device", "Make room")


async def test_who_goes_away_in_the_middle_has_no_archive_and_finds_no_fault_with_the_volume(
    tmp_path: Path,
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "more than any buffer").write_bytes(os.urandom(20 << 20))
    async with serve(tmp_path / "home") as volume:
        stream = volume.pack(database=False)
        await anext(stream)
        await stream.aclose()
        for _ in range(10):
            said = await volume.summary()
            assert (said["sha256"], said["error"]) == ("", "")
            await asyncio.sleep(0.05)


def manifest(*archived: Archived) -> Manifest:
    return Manifest(
        hub="course",
        cluster="campus",
        at="2026-03-01T10:00:00+00:00",
        by="ci",
        commit="c0ffee",
        deploy=3,
        chart="jupyterhub 4.4.0",
        archived=archived,
    )


def archived_home(uid: str, size: int = 1) -> Archived:
    home = claim(name=f"claim-{uid}", uid=uid)
    return Archived(home, now(), f"claim-{uid}.tar.gz", "0" * 64, 10, "1" * 64, 1, size)


def test_a_manifest_is_read_as_it_was_written() -> None:
    database = replace(archived_home("d"), claim=claim(Kind.DATABASE, "hub-db-dir", "d"))
    written = manifest(archived_home("a"), database)
    assert parse_manifest(written.dump()) == written


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}', '{"version": 1}'])
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RefusedError, match="no archive"):
        read_manifest(DirectoryArchive(tmp_path))


async def test_an_archive_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    place = DirectoryPlace(tmp_path / "to")
    with contextlib.suppress(KeyboardInterrupt):
        async with begin(place) as part:
            (part.path / "claim-ada.tar.gz").write_text("half")
            raise KeyboardInterrupt
    assert list((tmp_path / "to").iterdir()) == []
    async with begin(place) as part:
        made, _ = await part.complete(manifest())
    assert made.path.name == "course-20260301T100000"
    assert made.path.stat().st_mode & 0o777 == 0o700
    assert read_manifest(made) == manifest()


async def test_what_a_killed_run_left_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "course-a-cluste.part").mkdir()
    (tmp_path / "course-a-cluste.part" / "claim-ada.tar.gz").write_text("half")
    async with begin(DirectoryPlace(tmp_path)) as part:
        assert list(part.path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


async def test_hubs_of_one_name_on_two_clusters_do_not_meet(tmp_path: Path) -> None:
    async with begin(DirectoryPlace(tmp_path)) as part:
        (part.path / "claim-ada.tar.gz").write_bytes(b"0123456789")
        async with begin(DirectoryPlace(tmp_path), "b-cluster") as other:
            assert list(other.path.iterdir()) == []
        made, _ = await part.complete(manifest(archived_home("ada")))
    assert (made.path / "claim-ada.tar.gz").read_bytes() == b"0123456789"


@pytest.mark.parametrize("left", ["nothing", "less"])
async def test_an_archive_from_which_somebody_took_a_file_is_not_complete(tmp_path: Path, left: str) -> None:
    async with begin(DirectoryPlace(tmp_path)) as part:
        if left == "less":
            (part.path / "claim-ada.tar.gz").write_bytes(b"012")
        with pytest.raises(MachineError, match="1 files of the archive are no longer"):
            await part.complete(manifest(archived_home("ada")))
    assert list(tmp_path.iterdir()) == []


def begin(place: DirectoryPlace, cluster: str = "a-cluster") -> AbstractAsyncContextManager[DirectoryArchive]:
    return place.begin("course", cluster, ["claim-ada.tar.gz"], ignore)


def ignore(event: Event) -> None:
    """Nothing is told."""


def test_a_file_that_was_changed_is_not_restored(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="missing"):
        require_whole(DirectoryArchive(tmp_path), archived_home("a"))
    (tmp_path / "claim-a.tar.gz").write_bytes(b"another")
    with pytest.raises(RefusedError, match="not the one that was written"):
        require_whole(DirectoryArchive(tmp_path), archived_home("a"))


def test_the_sample_is_the_database_and_a_home_of_middling_size() -> None:
    database = replace(archived_home("d"), claim=claim(Kind.DATABASE, "hub-db-dir", "d"))
    found = [database, archived_home("a", 1), archived_home("b", 900), archived_home("c", 30)]
    assert [each.claim.uid for each in choose_sample(found)] == ["d", "c"]
    assert choose_sample([]) == []


async def test_the_newest_receipt_is_read() -> None:
    api = MemoryApi()
    async with api.open() as kube:
        assert await read_receipt(kube, "course") is None
        older = Receipt("course", "2026-03-01T10:00:00+00:00", "ci", 3, "here:/archive", "0", {"u1": ""})
        newer = replace(older, at="2026-03-02T10:00:00+00:00", claims={"u1": "1"})
        for receipt in (newer, older, replace(older, hub="other")):
            await write_receipt(kube, receipt)
        assert await read_receipt(kube, "course") == newer


def test_people_are_counted_not_named() -> None:
    database = replace(archived_home("d"), claim=claim(Kind.DATABASE, "hub-db-dir", "d"))
    in_use = replace(archived_home("a", 5000), claim=claim(node="n1"), changed=2)
    text = format_archive(manifest(database, in_use, archived_home("b")), "there")
    assert "1 database, 2 homes, 3 files, 30 B" in text
    assert "1 homes were in use; 2 files changed" in text
    assert "ada" not in text


def test_what_was_written_to_meanwhile_was_not_at_rest() -> None:
    home = archived_home("a")
    assert home.at_rest
    assert not replace(home, changed=1).at_rest
    assert not replace(home, claim=replace(home.claim, node="n1")).at_rest
    assert replace(home, claim=claim(Kind.DATABASE, node="n1")).at_rest


async def test_two_volumes_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        furnish(tmp_path / name)
    async with serve(tmp_path / "a") as one, serve(tmp_path / "b") as two:
        first, second = await asyncio.gather(
            archive_claim(one, claim(name="a"), DirectoryArchive(tmp_path)),
            archive_claim(two, claim(name="b"), DirectoryArchive(tmp_path)),
        )
    assert first.content != second.content  # "big" is random


# --- the command


def test_that_a_cluster_is_touched_is_said_before_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: object) -> None:
        raise RefusedError("nothing of it was done")

    monkeypatch.setattr("hubops.cli.archive._archive", unreachable)
    monkeypatch.chdir(shutil.copytree(GOOD, tmp_path / "fleet"))
    result = CliRunner().invoke(command, ["course", "--to", str(tmp_path)])
    assert isinstance(result.exception, RefusedError)
    assert "This touches cluster campus. course goes on; pods in namespace course" in result.stderr
