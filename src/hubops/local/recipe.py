"""What decides an image that Docker itself runs. Standard library only: ./start asks before there is an environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubops import digest
from hubops.local import base_image, oci, paths
from hubops.local.tools import KUBERNETES

NODE = "hubops/node"


@dataclass(frozen=True)
class Recipe:
    """A directory of toolchain/, build arguments, directories that the build copies from."""

    name: str
    directory: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)

    def image(self, base: Path | None) -> str:
        """The name of the image in Docker, after its content; `base` is the layout that stands for the base image."""
        parts = [
            oci.layout_digest(base) if base else base_image.NAME,
            digest.of_tree(paths.project_dir() / "toolchain" / self.directory),
        ]
        parts += [f"{name}={value}" for name, value in sorted(self.arguments.items())]
        # The programs' directories are named after what decides them (toolchain.cached).
        parts += [f"{name}={path.name}" for name, path in sorted(self.contexts.items())]
        return f"hubops/{self.name}:{digest.of_parts(parts)[:12]}"


def node_recipe(node: Path, pause: Path) -> Recipe:
    """Our own node: these two programs, and Debian's packages."""
    contexts = {"node": node.parent, "pause": pause.parent}
    return Recipe(NODE.removeprefix("hubops/"), "node", {"KUBERNETES_VERSION": KUBERNETES}, contexts)
