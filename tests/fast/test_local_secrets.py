"""Generated secrets: as JupyterHub demands them, stable, and nobody else's to read."""

import json
import re
import threading
from pathlib import Path

from hubops.local.secrets import load_or_create


def test_the_same_at_every_call_and_different_for_each_hub(tmp_path: Path) -> None:
    first = load_or_create(tmp_path / "secrets", "earth")
    assert load_or_create(tmp_path / "secrets", "earth") == first
    assert load_or_create(tmp_path / "secrets", "moon") != first


def test_they_fit_what_jupyterhub_demands(tmp_path: Path) -> None:
    values = load_or_create(tmp_path, "earth")
    passwords = values["hub"]["config"]["SharedPasswordAuthenticator"]
    assert re.fullmatch(r"[a-z0-9]{4}(-[a-z0-9]{4}){2}", passwords["user_password"])
    assert len(passwords["admin_password"]) >= 32
    for secret in (
        values["proxy"]["secretToken"],
        values["hub"]["cookieSecret"],
        values["hub"]["services"]["hubops"]["apiToken"],
        *values["hub"]["config"]["CryptKeeper"]["keys"],
    ):
        assert re.fullmatch(r"[0-9a-f]{64}", secret)


def test_only_the_owner_can_read_them_and_nothing_else_is_left(tmp_path: Path) -> None:
    load_or_create(tmp_path / "secrets", "earth")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    (file,) = (tmp_path / "secrets").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_of_many_at_once_all_get_the_same(tmp_path: Path) -> None:
    found: list[str] = []
    gate = threading.Barrier(8)

    def load() -> None:
        gate.wait()
        found.append(json.dumps(load_or_create(tmp_path, "earth")))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["earth.json"]
