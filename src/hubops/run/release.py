"""One release: brought to the cluster unless it is there as it should be, and watched until it is ready."""

from pathlib import Path

from hubops import digest
from hubops.checks import rollout
from hubops.checks.stuck import refuse_stuck
from hubops.clients.helm import Upgrade
from hubops.desired.model import Values
from hubops.errors import OutOfReachError, ReleaseError
from hubops.events import step
from hubops.execute.base import rebase
from hubops.execute.chart_copy import copy_chart
from hubops.execute.content import content_of, read_deployed, record_content
from hubops.execute.heal import heal_release
from hubops.execute.placeholders import renew_placeholders
from hubops.execute.release import upgrade_release
from hubops.run.session import Session, Writer, hold_and_write


async def deploy_chart(root: Path, name: str, values: Values, session: Session) -> None:
    """Deploy a chart of `root` that is no hub, such as the edge, in the same way but for the proof.

    Where nothing changed nothing is waited for either.
    """
    workplace = session.directory / name
    chart = copy_chart(root, root / "charts" / name, workplace)
    upgrade = Upgrade(name, name, chart, [], values)
    content = content_of(upgrade, digest.of_tree(workplace))
    if (await read_deployed(session.kube, name, name)).content == content:
        with step(session.emit, f"deploy {name}") as note:
            note.text = "nothing changed"
        return
    async with hold_and_write(session, name) as writer:
        await bring(upgrade, content, writer, session)


async def bring(
    upgrade: Upgrade, content: str, writer: Writer, session: Session, *, complete: bool = False
) -> bool:
    """Heal the release, upgrade it unless it has just this content, and watch it until it is ready.

    `complete` says that the chart has its dependencies. Returns whether helm was run.

    Raises:
        ReleaseError: it does not become ready.
        OutOfReachError: nobody can tell, a chart cannot be had, or no node takes its pods.
    """
    release, namespace = upgrade.release, upgrade.namespace
    with step(session.emit, f"deploy {release}") as note:
        await heal_release(writer.kube, release, namespace, writer.lease, session.emit)
        changed = (await read_deployed(writer.kube, release, namespace)).content != content
        before = len(writer.gate.writes)
        if changed:
            if not complete:
                await _fetch_dependencies(upgrade.chart, writer)
            await rebase(writer.kube, release, namespace)
            await _upgrade(upgrade, writer, session)
            await record_content(writer.kube, release, namespace, content)
        note.text = f"{len(writer.gate.writes) - before} writes" if changed else "nothing changed"
        await rollout.wait_rolled_out(
            session.kube, namespace, upgrade.timeout_s, session.emit, session.redactor
        )
        if changed:
            await renew_placeholders(writer.kube, namespace)
    return changed


async def _fetch_dependencies(chart: Path, writer: Writer) -> None:
    try:
        await writer.helm.dependency_build(chart)
    except ReleaseError as error:
        # A chart repository that is away says nothing of the release, which is to be tried again.
        hint = "Try again when its chart repository answers; if Chart.lock is out of date: helm dependency update"
        raise OutOfReachError(error.what, where=error.where, why=error.why, hint=hint) from error


async def _upgrade(upgrade: Upgrade, writer: Writer, session: Session) -> None:
    kube, namespace, written = session.kube, upgrade.namespace, len(writer.gate.writes)
    known = await rollout.find_pods(kube, namespace)
    hopeless = rollout.refuse_hopeless(kube, namespace, known, session.redactor)
    stuck = refuse_stuck(kube, namespace, known, session.redactor)
    try:
        await upgrade_release(writer.helm, upgrade, writer.gate, writer.lease, hopeless, stuck)
    except ReleaseError as error:
        # Helm fails as well when the cluster goes away under it, and that says nothing of the release.
        await kube.request("GET", "/version")
        if error.where.startswith("helm") and (why := writer.gate.undecided(written)):
            hint = "Run again: that goes on where this run stopped."
            raise OutOfReachError(
                error.what, where=error.where, why=f"{why}\n{error.why}", hint=hint
            ) from error
        await rollout.refuse_no_node(kube, namespace, error, session.redactor)
        if "pod" not in error.where:
            explained = await rollout.explain(kube, namespace, session.redactor)
            error.why += f"\n{explained}" if explained else ""
        raise
