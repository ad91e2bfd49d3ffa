"""A spawner that makes a person's claim again where it is gone.

KubeSpawner (7.1) remembers with each person that there is one. On a cluster that was made anew, or where somebody deleted the
claim, their servers would wait for it for ever.
"""

from typing import Any

import kubespawner


class KubeSpawner(kubespawner.KubeSpawner):
    """Asks at each start whether the claim is still there; what is remembered is its name.

    It is called as the other is, for JupyterHub's words about settings that it does not know have the name.
    """

    async def _start(self) -> Any:
        if self.storage_pvc_ensure and getattr(self, "_pvc_exists", False):
            self._pvc_exists = await self._check_pvc_exists(self.pvc_name, self.namespace)
        return await super()._start()
