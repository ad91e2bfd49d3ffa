"""A rehearsal of a hub's next deploy: on a copy of its database, in a twin that is there for as long as that takes."""

from hubops.desired.model import Fleet, Hub
from hubops.desired.probe import PROBE_NAME
from hubops.errors import RefusedError
from hubops.events import step
from hubops.execute.database import read_database
from hubops.execute.twin import open_twin
from hubops.execute.twin_objects import CLAIM, database_mounts
from hubops.execute.volume_pod import open_volume, sweep
from hubops.plan.rehearsal import compare
from hubops.plan.rehearsal_model import Rehearsed
from hubops.run.hub import wanted_bundle
from hubops.run.session import Session, hold_and_write, learn_secrets
from hubops.run.twin import Source, Twin
from hubops.state.archive_model import Kind
from hubops.state.volumes import read_deployment, read_volumes


async def rehearse(fleet: Fleet, hub: Hub, session: Session, *, server: bool) -> Rehearsed:
    """Let the hub that the repository wants start on a copy of the running hub's database, and ask it about everybody.

    With `server` a probe person works on it. The hub itself goes on meanwhile, and in its namespace nothing is
    written but a pod that reads its database.

    Raises:
        RefusedError: the hub is not deployed, or its database cannot be copied.
        ReleaseError: the new hub does not start on the database.
        HubopsError: nobody could tell.
    """
    learn_secrets(hub, session)
    hub = session.machine.opened(hub)
    async with hold_and_write(session, f"rehearse-{hub.name}", but=hub.namespace) as writer:
        bundle = await wanted_bundle(fleet, hub, session)
        source = await _copy(hub, session)
        async with open_twin(writer.kube, hub.name, hub.namespace, session.emit) as namespace:
            twin = Twin(fleet, hub, session, writer, source, namespace)
            answers_s, before, after = await twin.begin(bundle)
            measured = await twin.use(answers_s, after, server=server)
    comparison = compare(before, after, source.claims)
    return Rehearsed(hub.name, bundle.content.chart_name, comparison, measured)


async def _copy(hub: Hub, session: Session) -> Source:
    """The hub as it runs, with its database as it is at one moment; under its own lease, for as long as that takes.

    Raises:
        RefusedError: it has no database that a pod of ours could read.
    """
    async with hold_and_write(session, hub.name) as writer:
        await sweep(writer.kube, hub.namespace, hub.name)
        volumes = await read_volumes(writer.kube, hub, without=PROBE_NAME)
        pod = (await read_deployment(writer.kube, hub))["spec"]["template"]["spec"]
        claim = next((each for each in volumes.claims if each.kind is Kind.DATABASE), None)
        mount = next(iter(database_mounts(pod)), None)
        if claim is None or mount is None:
            raise RefusedError(
                f"the database of {hub.name} is not on a claim {CLAIM}",
                where="hub.db.type",
                why="only such a database is copied by hubops",
                hint="Rehearse an external one with its own tools: a copy of it, and hub.db.url of a hub for that.",
            )
        below = mount.get("subPath") or ""
        with step(session.emit, f"copy the database of {hub.name}") as note:
            async with open_volume(
                writer.kube, hub.namespace, hub.name, claim, volumes.pod, below=below
            ) as volume:
                database = await read_database(volume)
            note.text = f"{len(database):,} bytes"
        items, _ = await writer.kube.list(f"/api/v1/namespaces/{hub.namespace}/persistentvolumeclaims")
        return Source(pod, volumes, database, frozenset(item["metadata"]["name"] for item in items))
