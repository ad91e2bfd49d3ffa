"""The two documents that describe an image, its manifest and its configuration, wherever they are kept."""

import json
import tarfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]
Documents = tuple[Json, Json]
Fetch = Callable[[str], Awaitable[bytes]]
"""Gives a document by its digest."""


async def read_documents(digest: str, fetch_manifest: Fetch, fetch_blob: Fetch) -> Documents:
    """Manifest and configuration of the image of that digest; of its first platform where it is for several.

    Raises:
        ValueError: these are no such documents.
        what fetching raises.
    """
    try:
        manifest = json.loads(await fetch_manifest(digest))
        if "manifests" in manifest:
            manifest = json.loads(await fetch_manifest(manifest["manifests"][0]["digest"]))
        config = json.loads(await fetch_blob(manifest["config"]["digest"]))
        return _checked(manifest, config)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{digest} does not describe an image: {error!r}") from error


async def read_packed(archive: Path) -> Documents:
    """Those of the one image of an OCI layout in a tar archive.

    Raises:
        ValueError: it is no such archive.
    """
    try:
        with tarfile.open(archive) as packed:

            async def fetch(digest: str) -> bytes:
                return _read(packed, f"blobs/{digest.replace(':', '/')}")

            index = json.loads(_read(packed, "index.json"))
            return await read_documents(index["manifests"][0]["digest"], fetch, fetch)
    except (LookupError, TypeError, tarfile.TarError, OSError) as error:
        raise ValueError(f"{archive.name} holds no image: {error!r}") from error


async def read_layout(directory: Path) -> Documents:
    """Those of the first image of an OCI layout.

    Raises:
        ValueError: it is no such directory.
    """

    async def fetch(digest: str) -> bytes:
        return (directory / "blobs" / digest.replace(":", "/")).read_bytes()

    try:
        index = json.loads((directory / "index.json").read_bytes())
        return await read_documents(index["manifests"][0]["digest"], fetch, fetch)
    except (LookupError, TypeError, OSError) as error:
        raise ValueError(f"{directory.name} holds no image: {error!r}") from error


def _checked(manifest: Json, config: Json) -> Documents:
    """What is read of them is there; a registry may have anything under a digest."""
    for layer in manifest["layers"]:
        int(layer["size"]), layer["digest"]
    config.get("config", {}).get("User")
    [step.get("created_by") for step in config.get("history", ())]
    return manifest, config


def _read(packed: tarfile.TarFile, name: str) -> bytes:
    file = packed.extractfile(name)
    return file.read() if file else b""
