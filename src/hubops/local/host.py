"""What this machine is and may do. Stdlib only."""

import os
import platform
import socket
import ssl
from pathlib import Path

from hubops.errors import MachineError

# capabilities(7): the numbers kind's privileged nodes ask for end here.
_CAP_LAST = Path("/proc/sys/kernel/cap_last_cap")


def is_root() -> bool:
    return os.geteuid() == 0


def is_debian() -> bool:
    try:
        return "debian" in platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return False


def has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def architecture() -> str:
    """As Go, Debian and OCI call it."""
    return {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine(), platform.machine()
    )


def missing_capabilities() -> int:
    """Bit set of the capabilities this machine denies even to root; 0 where nothing is denied or not Linux."""
    try:
        last = int(_CAP_LAST.read_text())
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    bound = next(line for line in status.splitlines() if line.startswith("CapBnd:")).split()[1]
    return ((1 << (last + 1)) - 1) & ~int(bound, 16)


def require_free_port(port: int, option: str) -> None:
    """Refuse a port of the loopback interface that another program has; `option` asks for another one.

    Raises:
        MachineError: it is taken.
    """
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise MachineError(
            f"port {port} is taken by another program",
            where=f"127.0.0.1:{port}",
            why=str(error),
            hint=f"End that program, or give a new cluster another one: hubops local up --name OTHER {option} N",
        ) from error


def find_ca_bundle() -> Path | None:
    """The CA bundle programs on this machine trust, in one file."""
    configured = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    candidates = [configured, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
    return next((Path(c) for c in candidates if c and Path(c).is_file()), None)


def nameservers(resolv_confs: tuple[Path, ...] = ()) -> list[str]:
    """Lines for a resolv.conf that works in another network namespace: no loopback server in it.

    A resolver on 127.0.0.53 (systemd's) or 127.0.0.11 (Docker's) would make the
    cluster's DNS ask itself, see the loop and stop.
    """
    found = resolv_confs or (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
    for path in (p for p in found if p.is_file()):
        lines = [line.strip() for line in path.read_text().splitlines()]
        usable = [line for line in lines if not line.startswith(("nameserver 127.", "nameserver ::1", "#"))]
        if any(line.startswith("nameserver") for line in usable):
            return usable
    return []
