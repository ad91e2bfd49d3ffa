"""Where archives are, as people write it: a directory, or s3://BUCKET/PREFIX."""

import re
from pathlib import Path

from hubops.clients import s3
from hubops.errors import UsageError
from hubops.execute.archive_bucket import BucketArchive, BucketPlace
from hubops.execute.archive_directory import DirectoryArchive, DirectoryPlace
from hubops.execute.archive_place import Place, Source
from hubops.secret import Redactor

PLACE = "DIRECTORY|s3://BUCKET/PREFIX"
_URL = re.compile(r"(\w+):/")
_BUCKET = re.compile(r"s3://([^/]+)/*(.*?)/*")


def find_place(text: str, repository: Path, redactor: Redactor) -> Place:
    """What holds archives; a bucket's keys are looked for, and `redactor` learns them.

    Raises:
        UsageError: it is neither, or a directory in the repository.
        MachineError, OutOfReachError: there is no key for the store.
    """
    if named := _bucket(text, "--to"):
        return BucketPlace(s3.connect(named[1], redactor), named[2])
    if Path(text).resolve().is_relative_to(repository.resolve()):
        raise UsageError(
            "an archive holds people's files, and this directory is in the repository",
            where=f"--to {text}",
            hint="Name one that nobody commits and pushes.",
        )
    return DirectoryPlace(Path(text))


def find_archive(text: str, redactor: Redactor) -> Source:
    """One archive; as `find_place`."""
    if named := _bucket(text, "--from"):
        return BucketArchive(s3.connect(named[1], redactor), named[2])
    return DirectoryArchive(Path(text))


def _bucket(text: str, option: str) -> re.Match[str] | None:
    found = _BUCKET.fullmatch(text)
    if _URL.match(text) and not found:
        raise UsageError(
            "this is no place for archives",
            where=f"{option} {text}",
            hint="Name a directory, or s3://BUCKET/PREFIX.",
        )
    return found
