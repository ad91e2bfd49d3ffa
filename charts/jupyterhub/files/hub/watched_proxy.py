"""A proxy that gets its routes back within seconds after it was restarted.

JupyterHub compares them every `last_activity_interval`; until then nobody would reach a server that runs.
"""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.proxy import ConfigurableHTTPProxy

PAUSE_S = 0.5
SILENCE_S = 180  # a node that is gone ends no connection


class WatchedProxy(ConfigurableHTTPProxy):
    """configurable-http-proxy, with a connection that ends when it does: to ask it all the time is work for both."""

    _known: tuple[Any, Any]
    _watch: "asyncio.Task[None] | None" = None

    async def check_routes(self, user_dict: Any, service_dict: Any, routes: Any = None) -> Any:
        """JupyterHub calls it at its start, and now and then; from the first time on the proxy is watched."""
        self._known = user_dict, service_dict
        result = await super().check_routes(user_dict, service_dict, routes)
        if self._watch is None:
            self._watch = asyncio.create_task(self._keep_watch())
        return result

    async def _keep_watch(self) -> None:
        while True:
            try:
                await self._watch_once()
            except Exception as error:  # noqa: BLE001 - a proxy that is away is asked again
                self.log.debug("The proxy does not answer: %r", error)
            await asyncio.sleep(PAUSE_S)

    async def _watch_once(self) -> None:
        """Look, once connected, whether the proxy knows the hub's own route, and wait until the connection ends.

        The proxy itself ends one that says nothing, after a minute or more.
        """
        api = urlsplit(self.api_url)
        reader, writer = await asyncio.open_connection(api.hostname, api.port)
        try:
            routes = await self.get_all_routes()
            if self.hub.routespec not in routes:
                self.log.warning("The proxy has lost the hub's route; it gets all routes again")
                await super().check_routes(*self._known, routes)
            async with asyncio.timeout(SILENCE_S):
                await reader.read()
        finally:
            writer.close()
