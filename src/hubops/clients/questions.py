"""The program in a pod that asks a hub about everybody (execute/questions); besides, it serves its volume."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from hubops.clients.kube import Json
from hubops.clients.volume import Volume
from hubops.errors import ReleaseError


@dataclass(frozen=True)
class Questions(Volume):
    """`name` is what the hub is called in messages."""

    async def answer(self, claims: Collection[str], *, without: str) -> Json:
        """What the hub says of everybody but one, where there are these claims.

        Raises:
            ReleaseError: it does not come to its start, with the last lines that it said.
            OutOfReachError: the connection was cut.
        """
        found = await self._post(
            "answer", {}, json.dumps({"claims": sorted(claims), "without": without}).encode()
        )
        if "people" not in found:
            raise ReleaseError(
                f"{self.name} does not start on a copy of the database",
                why=str(found.get("error") or found.get("message")),
                hint="The hub that runs is as it was. Correct what it says, or stay with the version that it has.",
            )
        return found
