"""JupyterHub's configuration: what the chart's values say, then the `hub.extraConfig` snippets by name."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import z2jh
from settings import render_settings

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub provides it

_settings = render_settings(z2jh.load_values(), z2jh.get_secret_value, os.environ["POD_NAMESPACE"])
for _section, _traits in _settings.items():
    c[_section].update(_traits)

# What a snippet finds without importing it, as with the upstream chart; one space for all of them.
_names = {
    "c": c,
    "os": os,
    "get_config": z2jh.get_config,
    "get_secret_value": z2jh.get_secret_value,
    "set_config_if_not_none": z2jh.set_config_if_not_none,
}
for _name, _snippet in sorted((z2jh.get_config("hub.extraConfig") or {}).items()):
    # Compiled under its name, so that a traceback says which snippet and line.
    exec(compile(_snippet, f"hub.extraConfig.{_name}", "exec"), _names)  # noqa: S102 - the operator's own
