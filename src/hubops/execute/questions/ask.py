"""Asks the JupyterHub of this image, configured as it is here, about everybody in the database.

Arguments: a file with the question, one for the answer, and those that JupyterHub itself is started with. It is made
ready as for its start, which brings the database up to date, but serves nobody and starts nothing. Each person's
spawner is then really started, on a cluster that makes no pod (cluster.py).
"""

import asyncio
import json
import logging
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from .cluster import Cluster
from .mounts import mounts

Json = dict[str, Any]
DATABASE = "jupyterhub.sqlite"  # in the working directory, as both charts have it
_TRAITS = ("pvc_name_template", "slug_scheme", "remember_pvc_name")


def main(question: Path, answer: Path, arguments: list[str]) -> None:
    """Write the answer, and end."""
    asked = json.loads(question.read_text())
    cluster = Cluster(asked["claims"])
    kubeconfig = Path(tempfile.mkdtemp()) / "kubeconfig"
    cluster.begin(kubeconfig)
    os.environ |= {"KUBECONFIG": str(kubeconfig), "NO_PROXY": "*", "no_proxy": "*"}
    # By it a client finds the real cluster, where a pod has rights there; this one has none.
    os.environ.pop("KUBERNETES_SERVICE_HOST", None)
    answer.write_text(json.dumps(asyncio.run(_ask(cluster, asked["without"], arguments))))
    sys.stderr.flush()
    os._exit(0)  # what a hub leaves running, such as watches, nobody waits for


async def _ask(cluster: Cluster, without: str, arguments: list[str]) -> Json:
    import jupyterhub
    from jupyterhub.app import JupyterHub

    names, before, upgraded = _read("select name from users"), _revision(), _timed_upgrade()
    app = JupyterHub.instance()
    await app.initialize(arguments)
    if not app.db_url.endswith(f"/{DATABASE}"):
        raise SystemExit(f"the database of this hub is not {DATABASE}")
    logging.disable(logging.CRITICAL)  # for each pod that is not made there would be an error
    _stay_inside()
    people = [user for user in _people(app) if user.name in {*names} - {without}]
    spawner = people[0].spawners[""] if people else None
    return {
        "jupyterhub": jupyterhub.__version__,
        "spawner": _name(app.spawner_class),
        "authenticator": _name(type(app.authenticator)),
        "revisions": [before, _revision()],
        "upgraded_s": sum(upgraded),
        "traits": {trait: str(getattr(spawner, trait, "")) for trait in _TRAITS},
        "hook": getattr(spawner, "pre_spawn_hook", None) is not None,
        "people": {user.name: await _about(app, user, cluster) for user in people},
    }


def _people(app: Any) -> Iterator[Any]:
    from jupyterhub import orm

    return (app.users[each.id] for each in app.db.query(orm.User).order_by(orm.User.id).all())


async def _about(app: Any, user: Any, cluster: Cluster) -> Json:
    return {
        "allowed": await _is_allowed(app.authenticator, user),
        "admin": _is_admin(user.orm_user),
        "servers": {
            name: await mounts(user.spawners[name], cluster) for name in sorted({"", *user.orm_spawners})
        },
    }


def _is_admin(person: Any) -> bool:
    """By roles, where JupyterHub has them: there the column may be older."""
    roles = getattr(person, "roles", None)
    return bool(person.admin) if roles is None else any(role.name == "admin" for role in roles)


async def _is_allowed(authenticator: Any, user: Any) -> bool | None:
    """As Authenticator.get_authenticated_user decides behind the login; None where only the provider knows."""
    from jupyterhub.utils import maybe_future
    from tornado.web import HTTPError

    model = {
        "name": user.name,
        "admin": True if user.name in authenticator.admin_users else None,
        "groups": [group.name for group in user.groups],
    }
    try:
        model["auth_state"] = await user.get_auth_state()
        if not authenticator.validate_username(user.name):
            return False
        if not await maybe_future(authenticator.check_blocked_users(user.name, model)):
            return False
        if getattr(authenticator, "allow_all", False):
            return True
        return bool(await maybe_future(authenticator.check_allowed(user.name, model)))
    except HTTPError:
        return False
    except Exception:  # noqa: BLE001 - without what the provider says they fail each in its own way
        return None


def _stay_inside() -> None:
    """Nobody's token is shown to a provider: a request of an authenticator fails."""
    from tornado.httpclient import AsyncHTTPClient

    class Nowhere(AsyncHTTPClient):  # type: ignore[misc]  # it is not where types are checked
        def fetch_impl(self, *_: object) -> None:
            raise OSError("there is no way out")

    AsyncHTTPClient.configure(Nowhere)


def _timed_upgrade() -> list[float]:
    """How long each upgrade of the database will have taken."""
    from jupyterhub import dbutil

    upgrade, took = dbutil.upgrade_if_needed, list[float]()

    def timed(*arguments: Any, **options: Any) -> None:
        began = time.monotonic()
        upgrade(*arguments, **options)
        took.append(time.monotonic() - began)

    dbutil.upgrade_if_needed = timed
    return took


def _name(found: type) -> str:
    """A class with the version of the package that it is from; one of a chart's own file stands for what it builds on."""
    packages = (sys.modules.get(each.__module__.partition(".")[0]) for each in found.__mro__)
    version = next(filter(None, (getattr(package, "__version__", "") for package in packages)), "")
    return f"{found.__name__} {version}".strip()


def _revision() -> str:
    return next(iter(_read("select version_num from alembic_version")), "")


def _read(query: str) -> list[str]:
    with closing(sqlite3.connect(DATABASE)) as database:
        return [str(row[0]) for row in database.execute(query)]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
