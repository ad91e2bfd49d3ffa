"""A root file system as an OCI image layout: the form BuildKit takes a base image in."""

import json
import shutil
from pathlib import Path

from hubops import digest

_OCI = "application/vnd.oci.image"


def write_layout(rootfs: Path, layout: Path, architecture: str) -> str:
    """Move the tar `rootfs` into a new layout directory of one image with one layer. Returns its digest.

    The image is a function of the tar: no time, no host. The directory appears when it is complete.
    """
    part = layout.with_name(f".{layout.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "blobs/sha256").mkdir(parents=True)
    layer = digest.of_file(rootfs)
    size = rootfs.stat().st_size
    shutil.move(rootfs, part / "blobs/sha256" / layer)
    config = _write(
        part,
        {
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": ["bash"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        },
    )
    manifest = _write(
        part,
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": {"mediaType": f"{_OCI}.config.v1+json", **config},
            "layers": [{"mediaType": f"{_OCI}.layer.v1.tar", "digest": f"sha256:{layer}", "size": size}],
        },
    )
    index = {"schemaVersion": 2, "manifests": [{"mediaType": f"{_OCI}.manifest.v1+json", **manifest}]}
    (part / "index.json").write_text(json.dumps(index))
    (part / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    part.rename(layout)
    return str(manifest["digest"])


def layout_digest(layout: Path) -> str:
    """The digest of the one image of a layout.

    Raises:
        OSError, KeyError: it is not such a layout.
    """
    return str(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])


def _write(layout: Path, document: dict[str, object]) -> dict[str, str | int]:
    data = json.dumps(document, sort_keys=True).encode()
    name = digest.of_bytes(data)
    (layout / "blobs/sha256" / name).write_bytes(data)
    return {"digest": f"sha256:{name}", "size": len(data)}
