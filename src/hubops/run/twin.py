"""A hub's twin: the new hub on a copy of the database, asked beside the hub that runs, and used."""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime

from hubops.checks import rollout
from hubops.checks.notebook import wait_answer
from hubops.checks.stuck import refuse_stuck
from hubops.clients.hub import open_hub
from hubops.clients.kube import Json
from hubops.deadline import Deadline
from hubops.desired.model import Fleet, Hub
from hubops.desired.probe import PROBE_NAME
from hubops.errors import HubError, RefusedError
from hubops.events import step
from hubops.execute.asking_pod import open_asking
from hubops.execute.bundle import Bundle
from hubops.execute.database import without_servers, write_database
from hubops.execute.release import watched
from hubops.execute.twin import copy_objects, create_all, pull_secrets
from hubops.execute.twin_objects import CLAIM, HUB, references, rename_references, twin_objects
from hubops.execute.volume_pod import open_volume
from hubops.plan.rehearsal_model import Finding, Measured
from hubops.run.session import Session, Writer, service_token
from hubops.run.twin_chart import render_twin
from hubops.run.verify import prove, prove_login
from hubops.state.archive_model import Volumes
from hubops.state.rehearsal_model import Answers, parse_answers
from hubops.state.volumes import read_claims

_PROXY, _PORT = "proxy-public", 80
_ANSWER_LIMIT_S = 60.0  # it is rolled out, so only the way to it can still be in the way
_OLD = "before-"  # stands before the names of what the pod of the running hub refers to


@dataclass(frozen=True)
class Source:
    """The hub as it runs: the spec of its pod, its volumes, its database, and all claims of its namespace by name."""

    pod: Json
    volumes: Volumes
    database: bytes
    claims: frozenset[str]


@dataclass(frozen=True)
class Twin:
    """What the repository wants for a hub, in a namespace of its own; `writer` writes nothing in the hub's."""

    fleet: Fleet
    hub: Hub
    session: Session
    writer: Writer
    source: Source
    namespace: str

    async def begin(self, bundle: Bundle) -> tuple[float, Answers, Answers]:
        """Start the new hub; the seconds until it answered, and what both hubs say of everybody.

        Raises:
            ReleaseError: it does not start on the database.
        """
        with step(self.session.emit, "start the new hub on the copy, and ask both about everybody") as note:
            deployments = await self._furnish(bundle)
            new = next(item for item in deployments if item["metadata"]["name"] == HUB)
            old_pod, new_pod = await self._old_pod(), new["spec"]["template"]["spec"]
            async with asyncio.TaskGroup() as group:
                started = group.create_task(self._start(deployments))
                before = group.create_task(self._ask("before", old_pod, "the hub that runs"))
                after = group.create_task(self._ask("after", new_pod, f"the new {self.hub.name}"))
            note.text = f"{len(before.result().people)} people"
        return started.result(), before.result(), after.result()

    async def use(self, answers_s: float, after: Answers, *, server: bool) -> Measured:
        """Log in as a person, where there is a form and a password; with `server`, work as the probe person.

        Raises:
            OutOfReachError: nobody could tell whether that works.
        """
        measured = Measured(answers_s)
        async with self.session.connection.forward(self.namespace, _PROXY, _PORT) as url:
            session = replace(self.session, machine=replace(self.session.machine, url=url))
            # At the running hub's own host nothing is asked.
            hub = replace(self.hub, namespace=self.namespace, origin="")
            async with open_hub(
                session.machine.address(hub), service_token(session.machine.secrets(hub))
            ) as api:
                await wait_answer(api, Deadline(_ANSWER_LIMIT_S))
            try:
                measured = replace(measured, logged_in=await prove_login(hub, session))
                if server:
                    await self._make_shared_claims(after)
                    proof = await prove(hub, session, self.writer.kube)
                    measured = replace(measured, server_s=proof.server_started_s)
            except HubError as error:
                why = error.why.strip().rpartition("\n")[2]
                hint = error.hint or "See hubops verify, which does the same on a hub."
                return replace(measured, fault=Finding(f"{error.what}: {why}".removesuffix(": "), hint))
        return measured

    async def _furnish(self, bundle: Bundle) -> list[Json]:
        """Make all but the Deployments, which are returned."""
        rendered = await render_twin(
            self.fleet, self.hub, bundle, self.namespace, writer=self.writer, session=self.session
        )
        objects = twin_objects(rendered, self.namespace)
        deployments = [item for item in objects if item["kind"] == "Deployment"]
        names = {(item["kind"], item["metadata"]["name"]) for item in objects}
        if not {("PersistentVolumeClaim", CLAIM), ("Deployment", HUB)} <= names:
            where, hint = "hub.db.type", "Rehearse what keeps the database where it is."
            raise RefusedError("the new hub has its database elsewhere", where=where, hint=hint)
        kube, of = self.writer.kube, self.hub.namespace
        await create_all(kube, self.namespace, [item for item in objects if item not in deployments])
        wanted = await pull_secrets(kube, of)
        for item in deployments:
            wanted |= references(item["spec"]["template"]["spec"])
        await copy_objects(kube, of, self.namespace, wanted - names)
        return deployments

    async def _old_pod(self) -> Json:
        """The spec of the running hub's pod, with copies of what it refers to."""
        pod = deepcopy(self.source.pod)
        await copy_objects(self.writer.kube, self.hub.namespace, self.namespace, references(pod), _OLD)
        rename_references(pod, lambda name: _OLD + name)
        return pod

    async def _ask(self, name: str, pod: Json, title: str) -> Answers:
        place = self.namespace, f"hubops-{name}"
        async with open_asking(self.writer.kube, place, pod, self.hub.namespace, title) as questions:
            await write_database(questions, without_servers(self.source.database, ""))
            return parse_answers(await questions.answer(self.source.claims, without=PROBE_NAME))

    async def _start(self, deployments: list[Json]) -> float:
        """Start hub and proxy on a copy of the database; the seconds until the hub answered."""
        kube, owner = self.writer.kube, self.source.volumes.database_owner
        [claim] = await read_claims(kube, self.namespace, owner, owner)
        async with open_volume(
            kube, self.namespace, self.hub.name, claim, self.source.volumes.pod, write=True
        ) as volume:
            await write_database(volume, without_servers(self.source.database, self.hub.namespace))
        await create_all(kube, self.namespace, deployments)
        emit, redactor = self.session.emit, self.session.redactor
        await watched(
            rollout.wait_rolled_out(kube, self.namespace, self.hub.timeout_s, emit, redactor),
            rollout.refuse_hopeless(kube, self.namespace, set(), redactor),
            refuse_stuck(kube, self.namespace, set(), redactor),
        )
        pods, _ = await kube.list(f"/api/v1/namespaces/{self.namespace}/pods", labels=f"component={HUB}")
        return max(map(_answered_s, pods))

    async def _make_shared_claims(self, after: Answers) -> None:
        """What everybody's server mounts the probe person's does too: something empty."""
        mounted = [
            {mount.volume for mount in server.mounts}
            for person in after.people.values()
            for server in person.servers.values()
        ]
        shared = set.intersection(*mounted) & self.source.claims if mounted else set()
        kept = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        bodies = [
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": kept}
            for name in sorted(shared)
        ]
        await create_all(self.writer.kube, self.namespace, bodies)


def _answered_s(pod: Json) -> float:
    """From the pod's making until it was ready."""
    conditions = pod["status"]["conditions"]
    ready = next(each["lastTransitionTime"] for each in conditions if each["type"] == "Ready")
    began = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    return (datetime.fromisoformat(ready) - began).total_seconds()
