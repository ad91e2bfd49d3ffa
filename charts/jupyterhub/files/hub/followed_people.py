"""The people whom the hub lets in by name, followed while it runs: one more of them needs no other hub.

Kubernetes brings a changed Secret to the hub's files. What JupyterHub does at its start with `allowed_users` is done for
those who came, and whoever went is taken off the list. Deleting them is not the hub's to do: whom it knows, JupyterHub puts
back on the list at its next start (`allow_existing_users`).
"""

from collections.abc import Callable
from typing import Any

from jupyterhub import orm
from jupyterhub.roles import assign_default_roles
from jupyterhub.utils import maybe_future
from tornado.ioloop import PeriodicCallback

LOOK_S = 2.0
Names = frozenset[str]


class FollowedPeople:
    """Of one hub (JupyterHub's application): when its names changed, and which they are; both as of its start, which it knows."""

    def __init__(
        self, app: Any, changed: Callable[[], int], read: Callable[[], Names], known: tuple[int, Names]
    ) -> None:
        self._app, self._changed, self._read = app, changed, read
        self._seen, self._had = known

    def watch(self) -> None:
        """Look every few seconds, in the loop that runs; an error is logged, and looked at again."""
        PeriodicCallback(self.look, LOOK_S * 1000).start()

    async def look(self) -> None:
        """Do what changed since the last look, once the hub has started."""
        changed = self._changed()
        if self._app.http_server is None or changed == self._seen:
            return
        names = self._read()
        authenticator = self._app.authenticator
        had, now = ({*map(authenticator.normalize_username, each)} for each in (self._had, names))
        # By what the hub has in mind, not by the file before: somebody may have been deleted since, and be back.
        came = sorted(now - authenticator.allowed_users)
        authenticator.allowed_users -= had - now - authenticator.admin_users
        for name in came:
            await self._let_in(name)
        self._app.log.info("People: %d came, %d went", len(came), len(had - now))
        self._seen, self._had = changed, names

    async def _let_in(self, name: str) -> None:
        authenticator, database = self._app.authenticator, self._app.db
        if not authenticator.validate_username(name):
            self._app.log.error("People: allowed_users has a name that nobody can have: %r", name)
            return
        user = orm.User.find(database, name)
        if user is None:
            user = orm.User(name=name)
            database.add(user)
            assign_default_roles(database, entity=user)
            database.commit()
        authenticator.allowed_users.add(name)
        await maybe_future(authenticator.add_user(user))
