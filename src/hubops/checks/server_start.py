"""The start of the probe person's server, watched by the hub's own messages: what goes wrong is known before it is late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hubops.checks import nodes
from hubops.checks.cells import last_line
from hubops.checks.judge import is_pull_in_vain
from hubops.checks.proof_model import Cell
from hubops.clients.hub import Hub, Progress
from hubops.deadline import Deadline
from hubops.errors import HubError
from hubops.events import Emit, Line, step
from hubops.secret import Redactor

POLL_S = 0.5
_STREAM_LIMIT_S = 4.0
_SPAWN_EVENTS = 6
# Kubelet events after which a container does not start by waiting, by `reason` and part of the message
# (KubeSpawner passes them on). Failed scheduling and mounts are not among them: they often heal.
_HOPELESS = {
    "BackOff": ("restarting",),
    "Failed": ("ErrImageNeverPull", "InvalidImageName"),
    "InspectFailed": ("",),
}
_PULL_FAILED = "Failed to pull"
_PULL_AGAIN = ("Back-off pulling", "ImagePullBackOff")
_SCHEDULING = {"FailedScheduling", "Scheduled"}


async def _no_logs() -> str:
    return ""


async def _no_pods() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True)
class Probe:
    """Who tries what. `remove_home` removes the person's volume, and is content when there is none.

    `options` is what the person would choose on the spawn form, e.g. {"profile": "large"}. `logs` gives
    the last lines that the person's server printed, "" when it printed none; `pods` the uids of all pods
    that events tell of, living or gone.
    """

    name: str
    cells: Sequence[Cell]
    remove_home: Callable[[], Awaitable[None]]
    options: Mapping[str, Any] = field(default_factory=dict)
    logs: Callable[[], Awaitable[str]] = _no_logs
    pods: Callable[[], Awaitable[frozenset[str]]] = _no_pods


@dataclass(frozen=True)
class Watch:
    redactor: Redactor
    emit: Emit
    deadline: Deadline
    events: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    scheduling: list[Progress] = field(default_factory=list)

    @asynccontextmanager
    async def phase(self, title: str, doing: str) -> AsyncIterator[None]:
        """A step within the deadline; running out of it is the hub's failure, told with the last events."""
        try:
            with step(self.emit, title):
                async with asyncio.timeout(self.deadline.left_s):
                    yield
        except TimeoutError as error:
            what = f"{doing} was not done within {self.deadline.limit_s:.0f} s"
            self.refuse_no_node(what)
            raise HubError(what, why=self.last_events()) from error

    def refuse_no_node(self, what: str) -> None:
        """Raise OutOfReachError where the scheduler's last word is that no node takes the person's server."""
        last = self.scheduling[-1] if self.scheduling else Progress("")
        if last.reason == "FailedScheduling" and nodes.is_lack(last.message):
            raise nodes.no_node(
                what, where="the server of the probe person", why=self.redactor.mask(last.message)
            )

    def last_events(self) -> str:
        return self.redactor.mask("\n".join(self.events[-_SPAWN_EVENTS:]))


async def start_server(hub: Hub, probe: Probe, watch: Watch) -> None:
    try:
        watch.gone.update(await probe.pods())
        await hub.start_server(probe.name, probe.options)
        while not await _follow(hub, probe.name, watch):
            await asyncio.sleep(POLL_S)
    except HubError as error:
        watch.refuse_no_node("No server starts for a person")
        last = f": {last_line(watch.last_events())}" if watch.events else ""
        raise HubError(
            f"No server starts for a person{last}",
            where=error.where or f"{probe.name} at {hub.site.http.base_url}",
            why=watch.redactor.mask(join_lines(error.why, watch.last_events(), await probe.logs())),
            hint=error.hint or "correct what the last event names: image, command, quota or volume",
        ) from error


async def _follow(hub: Hub, user: str, watch: Watch) -> bool:
    """Watch one stream of progress for a while; whether the server is ready.

    A proxy may end a stream at any time. And KubeSpawner counts the events it told: where an earlier pod of
    the person left some, a stream that began with those says nothing until there are more new ones.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STREAM_LIMIT_S), aclosing(hub.progress(user)) as messages:
            async for message in messages:
                if message.pod in watch.gone:
                    continue
                _note(message, watch)
                if message.ready:
                    return True
                if message.failed or _is_hopeless(message, watch.events):
                    raise HubError("The start failed")  # the message is the last of the events
    server = await hub.find_server(user)
    if server is None or not (server.ready or server.pending):
        raise HubError("The start ended without a server")
    return server.ready


def _note(message: Progress, watch: Watch) -> None:
    if message.reason in _SCHEDULING:
        watch.scheduling.append(message)
    # A stream opened again tells everything from the beginning.
    if message.message and message.message not in watch.events:
        watch.events.append(message.message)
        watch.emit(Line(watch.redactor.mask(message.message)))


def _is_hopeless(message: Progress, told: Sequence[str]) -> bool:
    """Whether waiting is in vain. A pull is tried again by itself: then the reason `told` of its last failure counts."""
    text = message.message
    if any(part in text for part in _HOPELESS.get(message.reason, ())):
        return True
    again = any(part in text for part in _PULL_AGAIN)
    if message.reason not in {"BackOff", "Failed"} or not (again or _PULL_FAILED in text):
        return False
    failure = next((each for each in reversed([*told, text]) if _PULL_FAILED in each), "")
    return is_pull_in_vain(failure, again=again)


def join_lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
