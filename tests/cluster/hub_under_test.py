"""A deployed hub as the tests of the proof need it."""

from dataclasses import dataclass

from hubops.secret import Secret


@dataclass(frozen=True)
class HubUnderTest:
    """A hub with our service and a login form; `username` is a person who may log in with `password`."""

    url: str
    token: Secret
    username: str
    password: Secret
