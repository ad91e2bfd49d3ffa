"""OCI runtime that asks runc only for capabilities which this machine can grant.

kind's nodes are privileged: Docker asks for every capability there is. Where the
machine itself was denied one, runc fails with "unable to apply caps". This file is
installed as a runtime of our own Docker and drops those from the container's spec;
on a machine with all capabilities it changes nothing. Stdlib only.
"""

import itertools
import json
import os
import sys
from pathlib import Path

_RUNC = "/usr/sbin/runc"
# Numbers of capability.h, in order.
_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
).split()


def names(bits: int) -> set[str]:
    """The capabilities of a bit set."""
    return {f"CAP_{name}" for number, name in enumerate(_NAMES) if bits >> number & 1}


def granted() -> set[str]:
    status = Path("/proc/self/status").read_text()
    bound = int(next(line for line in status.splitlines() if line.startswith("CapBnd:")).split()[1], 16)
    return names(bound)


def trimmed(process: dict[str, object], have: set[str]) -> dict[str, object]:
    """The `process` part of an OCI spec without the capabilities not in `have`."""
    sets = process.get("capabilities") or {}
    assert isinstance(sets, dict)  # noqa: S101 - the OCI runtime specification
    return {**process, "capabilities": {kind: [c for c in caps if c in have] for kind, caps in sets.items()}}


def rewrite(arguments: list[str], have: set[str]) -> None:
    """Rewrite the spec that this runc call is about to read: of `create` and `run`, or of `exec`."""
    options = dict(itertools.pairwise(arguments))
    if "--bundle" in options:
        path = Path(options["--bundle"]) / "config.json"
        spec = json.loads(path.read_text())
        path.write_text(json.dumps({**spec, "process": trimmed(spec["process"], have)}))
    if "--process" in options:
        path = Path(options["--process"])
        path.write_text(json.dumps(trimmed(json.loads(path.read_text()), have)))


if __name__ == "__main__":
    rewrite(sys.argv[1:], granted())
    os.execv(_RUNC, ["runc", *sys.argv[1:]])  # noqa: S606 - it becomes runc
