"""The check of the setup: what a deploy of a hub would meet, asked before; nothing is changed."""

from hubops.checks import setup
from hubops.checks.rights import Thing, check_rights
from hubops.desired.manifests.api import nearest_minor
from hubops.desired.manifests.model import Manifest
from hubops.desired.manifests.reading import read_manifests
from hubops.desired.model import Fleet, Hub
from hubops.desired.problems import Look
from hubops.desired.values import texts
from hubops.execute.mark import require_cluster
from hubops.run.rendering import render_hubs
from hubops.run.session import Session

# What every JupyterHub chart makes: all that is known of one that cannot be rendered here.
_USUAL = (
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)


async def check_setup(fleet: Fleet, hub: Hub, session: Session) -> None:
    """All that a deploy of the hub needs is here; nothing is changed.

    Raises:
        HubopsError: what is missing.
    """
    machine = session.machine

    async def secrets() -> str:
        if machine.makes_secrets(hub):
            return "made by its first deploy"
        return f"{len(list(texts(machine.secrets(hub))))} values open"

    async def cluster() -> str:
        version = await setup.check_cluster(session.kube)
        await require_cluster(session.kube, machine.cluster.name)
        return version

    async def rights() -> str:
        things = await _render_things(fleet, hub, session)
        usual = {Thing(version, kind, hub.namespace) for version, kind in _USUAL}
        await check_rights(session.kube, hub.namespace, hub.release, things or usual)
        unsure = "its chart was not rendered, so for what every JupyterHub chart makes"
        return hub.namespace if things else f"{hub.namespace}; {unsure}"

    await setup.require_all(
        [
            (
                f"registry {machine.registry}",
                lambda: setup.check_registry(machine.workshop.registry, machine.registry),
            ),
            (f"cluster {machine.context}", cluster),
            ("rights", rights),
            ("secrets", secrets),
        ],
        session.emit,
    )


async def _render_things(fleet: Fleet, hub: Hub, session: Session) -> set[Thing]:
    """What the hub's chart makes, by its values; nothing where it cannot be rendered here.

    Nothing is fetched: the charts that lie in no clone are fetched when the hub is deployed.
    """
    version = (await session.kube.request("GET", "/version"))["gitVersion"]
    minor = nearest_minor(int(version.split(".")[1]))
    views = Look(fleet.root, [hub.name]).ready()
    found = await render_hubs(views, lambda _: [minor], session.machine.helm, lambda _: None)
    return {
        Thing(each.version, each.kind, each.namespace or hub.namespace)
        for renderings in found.values()
        for rendering in renderings
        for each in read_manifests(rendering.text)
        if isinstance(each, Manifest)
    }
