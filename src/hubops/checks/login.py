"""That a person can log in by the login form, and only with the right password."""

import secrets

from hubops.clients.hub import log_in
from hubops.errors import HubError
from hubops.events import Emit, step
from hubops.secret import Secret


async def verify_login(url: str, username: str, password: Secret, emit: Emit) -> None:
    """The hub at `url` lets the person in with this password and not with another.

    The hub then knows the person as a user; no server is started. The wrong password goes first: where
    failed logins are counted, the right one sets the count back.

    Raises:
        HubError: no login form, the right password is refused, or a wrong one is not.
        OutOfReachError: the hub gave no answer.
    """
    with step(emit, "log in as a person"):
        if await log_in(url, username, Secret(secrets.token_urlsafe(24))):
            hint = "Set an authenticator that checks passwords."
            raise HubError("The hub lets people in with a wrong password", where=url, hint=hint)
        if not await log_in(url, username, password):
            hint = "Compare the hub's authenticator settings, allowed people and password."
            raise HubError("The hub refuses a person's right password", where=url, hint=hint)
