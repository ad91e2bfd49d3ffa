"""What a hub asks of an image that its people's servers are made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seat:
    """An image's use by one hub.

    `hub_version` is that of its JupyterHub, "" where nothing here says it, and then `unknown` says why.
    Servers run as `uid`, None where the image decides; people's volumes are mounted at `home`, "" where they
    have none; `command` starts a server; `privileges`: a server may become root, by sudo for example.
    """

    hub: str
    hub_version: str = ""
    unknown: str = ""
    uid: int | None = 1000
    home: str = "/home/jovyan"
    command: tuple[str, ...] = ("jupyterhub-singleuser",)
    privileges: bool = False
