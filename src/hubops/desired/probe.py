"""The probe person, and the hub service that may act for it, and take people off the hub."""

from typing import Any

PROBE_NAME = "hubops-probe"
SERVICE_NAME = "hubops"

# Make and delete the person; start and stop its server and read the progress; use the server. Without any
# one of them the proof fails (tried with JupyterHub 5.5).
ROLE_SCOPES = (
    f"admin:users!user={PROBE_NAME}",
    f"servers!user={PROBE_NAME}",
    f"access:servers!user={PROBE_NAME}",
    # Those who may not be there any more: find them, stop their servers, delete them. With these it can
    # neither be a person nor see one's work, make a token, or make an admin.
    "list:users",
    "read:servers",
    "delete:servers",
    "delete:users",
)


def probe_values(token: str) -> dict[str, Any]:
    """Chart values that give the hub the service with its role. They hold the token: they go to stdin."""
    return {
        "hub": {
            "services": {SERVICE_NAME: {"apiToken": token}},
            "loadRoles": {SERVICE_NAME: {"services": [SERVICE_NAME], "scopes": list(ROLE_SCOPES)}},
        }
    }
