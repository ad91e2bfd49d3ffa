"""Gives an older JupyterHub the database that it had, where a newer one changed it and was taken back.

A newer JupyterHub brings a SQLite database to its own form, and leaves a copy beside it first. An older one does not start with
that form: a deploy that is taken back would leave a hub that is away.
"""

import shutil
import sqlite3
import time
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path

# A deploy and its proof are over by then. Who goes back later decides alone, for people went on working.
LIMIT_S = 3600
_COPY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]-*"  # how JupyterHub names its copies


def step_back(database: Path, known: Callable[[], Collection[str]], now_s: float) -> Path | None:
    """Put the newest copy in the database's place whose form is known, where that of the database is not.

    Only a copy of the last hour. What the database was stays beside it, as `jupyterhub.sqlite.newer-…`. Returns the copy that
    was taken, None for nothing done.
    """
    copies = database.parent.glob(f"{database.name}.{_COPY}")
    recent = {copy: made for copy in copies if (made := copy.stat().st_mtime) > now_s - LIMIT_S}
    if not recent or not (found := form(database)) or found in (forms := known()):
        return None
    usable = [copy for copy in recent if form(copy) in forms]
    if not usable:
        return None
    newest = max(usable, key=recent.__getitem__)
    aside = f"{database.name}.newer-{time.strftime('%Y-%m-%d-%H%M%S', time.gmtime(now_s))}"
    shutil.copy2(database, database.with_name(aside))
    part = database.with_name(f"{database.name}.part")
    shutil.copy2(newest, part)
    part.replace(database)  # at no moment is there none: JupyterHub would begin a new one
    return newest


def form(database: Path) -> str:
    """The revision of a database's form, as alembic writes it down; "" where there is none."""
    if not database.exists():
        return ""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except (sqlite3.DatabaseError, TypeError):
            return ""
    return str(revision)


def known_forms() -> set[str]:
    """Those that this JupyterHub has, or can bring up to date."""
    import jupyterhub  # noqa: PLC0415 - most starts need neither
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    scripts = ScriptDirectory(str(Path(jupyterhub.__file__).parent / "alembic"))
    return {script.revision for script in scripts.walk_revisions()}
