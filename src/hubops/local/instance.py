"""A named local cluster: its ports, names and directory. Several stand side by side."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from hubops.errors import UsageError
from hubops.local import paths
from hubops.names import is_dns_label

DEFAULT_NAME = "hubops"
# Which local cluster the commands mean; the tests have one of their own.
INSTANCE_VARIABLE = "HUBOPS_LOCAL"


@dataclass(frozen=True)
class Instance:
    """The settings of one local cluster; fixed when it is first made, kept in its directory."""

    name: str = DEFAULT_NAME
    edge_port: int = 8080
    registry_port: int = 5001

    @property
    def directory(self) -> Path:
        return paths.state_dir() / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def context(self) -> str:
        return f"kind-{self.name}"

    @property
    def node(self) -> str:
        return f"{self.name}-control-plane"

    @property
    def registry_container(self) -> str:
        return f"{self.name}-registry"

    @property
    def registry(self) -> str:
        return f"localhost:{self.registry_port}"

    @property
    def network(self) -> str:
        return f"hubops-{self.name}"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.edge_port}"


def load_instance(name: str = DEFAULT_NAME, **wanted: int | None) -> Instance:
    """The instance as it was made, or with the wanted (or default) ports when it is new.

    Raises:
        UsageError: the name cannot name containers, or another port is asked of an existing instance.
    """
    if not is_dns_label(name):
        raise UsageError(
            f"{name!r} cannot name a local cluster", hint="Use lower-case letters, digits and -."
        )
    asked = {key: value for key, value in wanted.items() if value is not None}
    file = Instance(name).directory / "instance.json"
    if not file.exists():
        return Instance(name, **asked)
    kept = Instance(**json.loads(file.read_text()))
    for key, value in asked.items():
        if getattr(kept, key) != value:
            raise UsageError(
                f"the local cluster {name} has {key.replace('_', ' ')} {getattr(kept, key)}, not {value}",
                hint=f"Remove it first (hubops local down --name {name} --delete-data) or use another --name.",
            )
    return kept


def local_instance() -> Instance:
    """The local cluster that commands without a name mean.

    Raises:
        UsageError: as `load_instance`.
    """
    return load_instance(os.environ.get(INSTANCE_VARIABLE, DEFAULT_NAME))


def save_instance(instance: Instance) -> None:
    """Write the settings; a killed run leaves the old file or the new one, never half of it."""
    instance.directory.mkdir(parents=True, exist_ok=True)
    write_atomically(instance.directory / "instance.json", json.dumps(asdict(instance), indent=2) + "\n")


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file's content in one step."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.chmod(mode)
    part.replace(path)
