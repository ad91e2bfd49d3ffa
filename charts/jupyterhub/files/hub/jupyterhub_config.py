"""JupyterHub's configuration: what the chart's values say, then files of the operator, then `hub.extraConfig`, each by name."""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import z2jh
from settings import render_environment, render_settings
from step_back import known_forms, step_back

_seen = z2jh.last_changed()  # before they are read: a change from here on is one
c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub provides it

with contextlib.suppress(ImportError):
    # The client that stays fast with many routes in the proxy, in an image that has it.
    import pycurl  # noqa: F401
    from tornado.httpclient import AsyncHTTPClient

    AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")

if z2jh.get_config("hub.db.type") == "sqlite-pvc":
    _copy = step_back(Path("jupyterhub.sqlite"), known_forms, time.time())
    if _copy:
        # For the hub's log, which JupyterHub begins later.
        print(f"The database was of a newer JupyterHub; {_copy}, from before, is in its place")  # noqa: T201

os.environ |= render_environment(z2jh.load_values(), z2jh.get_secret_value)
_settings = render_settings(z2jh.load_values(), z2jh.get_secret_value, os.environ["POD_NAMESPACE"])
for _section, _traits in _settings.items():
    c[_section].update(_traits)

_files = sorted(z2jh.SECRET.with_name("jupyterhub_config.d").glob("*.py"))
_snippets = {str(file): file.read_text() for file in _files} | {
    f"hub.extraConfig.{name}": snippet
    for name, snippet in sorted((z2jh.get_config("hub.extraConfig") or {}).items())
}
# What a snippet finds without importing it, as with the upstream chart; one space for all of them.
_names = {
    "c": c,
    "os": os,
    "sys": sys,
    "get_config": z2jh.get_config,
    "get_name": z2jh.get_name,
    "get_name_env": z2jh.get_name_env,
    "get_secret_value": z2jh.get_secret_value,
    "set_config_if_not_none": z2jh.set_config_if_not_none,
}
for _name, _snippet in _snippets.items():
    # Compiled under its name, so that a traceback says which snippet and line.
    exec(compile(_snippet, _name, "exec"), _names)  # noqa: S102 - the operator's own

if z2jh.get_config("FollowsPeople"):
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass  # another command than the hub's start
    else:
        from followed_people import FollowedPeople
        from jupyterhub.app import JupyterHub

        _had = frozenset(z2jh.get_config("hub.config.Authenticator.allowed_users"))
        FollowedPeople(JupyterHub.instance(), z2jh.last_changed, z2jh.read_allowed, (_seen, _had)).watch()
