"""What ./start finds made already, by what decides it today: an update makes some of it anew. Standard library only."""

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hubops import digest
from hubops.errors import HubopsError
from hubops.local import base_image, cluster, host, toolchain
from hubops.local.instance import Instance, write_atomically
from hubops.local.recipe import node_recipe
from hubops.local.tools import NODE_IMAGE, TOOLS

_OF_IMAGES = ("images", "user-images")
_OF_HUBS = ("hub-charts", "charts", "values", "hubops.yaml")


@dataclass(frozen=True)
class Made:
    """What is made for an instance and the repository `root`; no Docker is asked."""

    instance: Instance
    root: Path

    @property
    def tools(self) -> bool:
        """Every tool is there; one on PATH counts, for few are of a version that was not tested."""
        names = ["helm", "kubectl", "kind", "caddy"]
        names += ["buildctl", "buildkitd"] if host.is_root() else []
        names += [] if self._is_official else ["node", "pause"]
        return all(_is_there(name) for name in names)

    @property
    def base(self) -> bool:
        """The base image is made from today's archives, or can be pulled."""
        return self._is_official or self._layout is not None

    @property
    def cluster(self) -> bool:
        """The cluster was made by today's recipe."""
        return self._is_official or cluster.is_made_of(self.instance, self._own_image)

    @property
    def images(self) -> bool:
        """The last ./start built images from these files."""
        return self._noted[:1] == [_key(self.root, _OF_IMAGES)]

    @property
    def hubs(self) -> bool:
        """The last ./start deployed these files, to this cluster."""
        return self.cluster and self.images and self._noted[1:] == [_key(self.root, _OF_HUBS)]

    @cached_property
    def _is_official(self) -> bool:
        return cluster.is_made_of(self.instance, NODE_IMAGE)

    @cached_property
    def _layout(self) -> Path | None:
        with contextlib.suppress(HubopsError):  # told by the step that makes it
            return asyncio.run(base_image.find_made())
        return None

    @property
    def _own_image(self) -> str:
        node, pause = (toolchain.cached(TOOLS[name]) for name in ("node", "pause"))
        return node_recipe(node, pause).image(self._layout)

    @property
    def _noted(self) -> list[str]:
        note = _note(self.instance)
        return note.read_text().splitlines() if note.is_file() else []


def note_started(instance: Instance, root: Path) -> None:
    """Images and hubs count as made from now on, until a file of the repository `root` changes."""
    text = "\n".join(_key(root, names) for names in (_OF_IMAGES, _OF_HUBS))
    write_atomically(_note(instance), text)


def _note(instance: Instance) -> Path:
    return instance.directory / "started"


def _key(root: Path, names: tuple[str, ...]) -> str:
    paths = (root / name for name in names)
    return digest.of_parts(digest.of_file(path) if path.is_file() else digest.of_tree(path) for path in paths)


def _is_there(name: str) -> bool:
    tool = TOOLS[name]
    return toolchain.cached(tool).exists() or bool(tool.minimum and shutil.which(name))
