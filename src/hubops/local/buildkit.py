"""Our own BuildKit, where `docker buildx` is not to be had: one daemon per machine, for every instance."""

from dataclasses import dataclass
from pathlib import Path

from hubops.clients import process
from hubops.errors import MachineError
from hubops.events import Emit
from hubops.local import daemon, host, paths
from hubops.local.toolchain import require_tool

ADDRESS = f"unix://{paths.RUN_DIR / 'buildkitd.sock'}"
# RUN steps use the machine's network, so that its DNS and proxies work in them as outside.
_CONFIG = f"""\
insecure-entitlements = ["network.host"]
root = "{paths.DATA_DIR / "buildkit"}"
[grpc]
  address = ["{ADDRESS}"]
[worker.oci]
  enabled = true
  max-parallelism = 4
  gc = true
  [[worker.oci.gcpolicy]]
    all = true
    reservedSpace = "10GB"
[worker.containerd]
  enabled = false
"""


@dataclass(frozen=True)
class BuildKit:
    """A BuildKit that answers: the client program and the daemon's address."""

    buildctl: Path
    address: str


async def require_buildkit(emit: Emit) -> BuildKit:
    """BuildKit ready to build; started when it does not answer.

    Raises:
        MachineError: only root can run it, or it does not start.
    """
    if not host.is_root():
        raise MachineError("building images here needs root", hint="Run as root.")
    buildctl = await require_tool("buildctl", emit)
    buildkitd = await require_tool("buildkitd", emit)
    config = paths.DATA_DIR / "buildkitd.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(_CONFIG)

    async def answers() -> bool:
        return (await process.attempt([buildctl, f"--addr={ADDRESS}", "debug", "workers"])).code == 0

    await daemon.ensure_running("buildkitd", [buildkitd, f"--config={config}"], answers, paths.RUN_DIR)
    return BuildKit(buildctl, ADDRESS)
