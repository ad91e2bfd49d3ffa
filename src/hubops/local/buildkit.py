"""What builds images here: our own BuildKit, one daemon per machine, or `docker buildx` without root."""

from hubops.clients import process
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import Builder
from hubops.clients.buildx import Buildx
from hubops.errors import MachineError
from hubops.events import Emit
from hubops.local import daemon, host, paths
from hubops.local.toolchain import require_tool

ROOT = paths.DATA_DIR / "buildkit"
ADDRESS = f"unix://{paths.RUN_DIR / 'buildkitd.sock'}"
# RUN steps use the machine's network, so that its DNS and proxies work in them as outside.
_CONFIG = f"""\
insecure-entitlements = ["network.host"]
root = "{ROOT}"
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


async def require_builder(emit: Emit) -> Builder:
    """Our own BuildKit as root, else `docker buildx`, also where our own does not run.

    Raises:
        MachineError: neither is to be had.
    """
    buildx = Buildx()
    if not host.is_root():
        if await buildx.is_there():
            return await buildx.looked_at()
        hint = "Run as root, or install the plug-in buildx of Docker (the package docker-buildx-plugin)."
        raise MachineError("building images without root needs docker buildx", hint=hint)
    try:
        return await require_buildkit(emit)
    except MachineError:
        if await buildx.is_there():
            return await buildx.looked_at()
        raise


async def require_buildkit(emit: Emit) -> Buildctl:
    """Our own BuildKit ready to build; started when it does not answer. Only root can run it.

    Raises:
        MachineError: it does not start.
    """
    buildctl = await require_tool("buildctl", emit)
    buildkitd = await require_tool("buildkitd", emit)
    config = paths.DATA_DIR / "buildkitd.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(_CONFIG)

    async def answers() -> bool:
        return (await process.attempt([buildctl, f"--addr={ADDRESS}", "debug", "workers"])).code == 0

    await daemon.ensure_running("buildkitd", [buildkitd, f"--config={config}"], answers, paths.RUN_DIR)
    return Buildctl(buildctl, ADDRESS, ROOT)
