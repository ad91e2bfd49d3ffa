"""The order of things: what happens to a hub, step after step. The only module that calls several stages."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hubops.checks import rollout, setup
from hubops.checks.cells import load_proof
from hubops.checks.login import verify_login
from hubops.checks.notebook import Probe, verify
from hubops.checks.proof_model import Proof
from hubops.clients.gate import Gate
from hubops.clients.helm import Helm, Upgrade, make_home
from hubops.clients.hub import open_hub
from hubops.clients.kube import Connection, Kube, connect
from hubops.deadline import Deadline
from hubops.desired.images import reference
from hubops.desired.model import Fleet, Hub, ImageReference, Values
from hubops.desired.probe import PROBE_NAME, SERVICE_NAME, probe_values
from hubops.desired.values import image_names, merge, prefixed, render_values
from hubops.errors import ReleaseError
from hubops.events import Emit, step
from hubops.execute.build import Workshop, build_image, require_pushed
from hubops.execute.chart_copy import copy_chart
from hubops.execute.content import content_of, has_content, is_proved, record_content, record_proof
from hubops.execute.heal import heal_release
from hubops.execute.lease import Lease, hold
from hubops.execute.release import upgrade_release
from hubops.secret import Redactor, Secret

HELM_TIMEOUT_S = 600
VERIFY_LIMIT_S = 600


@dataclass(frozen=True)
class Machine:
    """What the machine we run on offers, and which cluster it is about.

    `top` are layers of values above the hub's own; `secrets` gives a hub's secret values, opened in
    memory; `registry` is where images go; `url` the hubs' public address without a slash at its end.
    """

    helm: Path
    kubectl: Path
    kubeconfig: Path | None
    context: str
    workshop: Workshop
    registry: str
    url: str
    secrets: Callable[[Hub], Values]
    top: tuple[Values, ...] = ()


@dataclass(frozen=True)
class Session:
    """One run's connection to the cluster and private directory."""

    machine: Machine
    connection: Connection
    directory: Path
    emit: Emit
    redactor: Redactor

    @property
    def kube(self) -> Kube:
        return Kube(self.connection.client)


@asynccontextmanager
async def open_session(machine: Machine, emit: Emit, redactor: Redactor) -> AsyncIterator[Session]:
    """Connect to the machine's cluster; everything of the session is gone at its end."""
    with tempfile.TemporaryDirectory(prefix="hubops-run-") as directory:
        async with connect(
            machine.kubectl, machine.kubeconfig, machine.context, Path(directory)
        ) as connection:
            yield Session(machine, connection, Path(directory), emit, redactor)


async def check_setup(hub: Hub, session: Session) -> None:
    """All that a deploy of the hub needs is here; nothing is changed.

    Raises:
        HubopsError: what is missing.
    """
    machine = session.machine

    async def secrets() -> str:
        return f"{len(list(_leaves(machine.secrets(hub))))} values open"

    await setup.require_all(
        [
            (
                f"registry {machine.registry}",
                lambda: setup.check_registry(machine.workshop.registry, machine.registry),
            ),
            (f"cluster {machine.context}", lambda: setup.check_cluster(session.kube)),
            ("rights", lambda: setup.check_rights(session.kube, hub.namespace)),
            ("secrets", secrets),
        ],
        session.emit,
    )


async def build_images(
    fleet: Fleet, names: Iterable[str], machine: Machine, emit: Emit, *, push: bool
) -> dict[str, ImageReference]:
    """Build, and push if asked, each image that the registry lacks."""
    built = {}
    for name in names:
        image = reference(fleet, machine.registry, name)
        built[name] = await build_image(fleet, name, image, machine.workshop, emit, push=push)
    return built


async def deploy(fleet: Fleet, hub: Hub, session: Session, *, prove: bool = True) -> Proof | None:
    """Deploy a hub, watch its rollout to the end, and prove that people can work on it.

    Where nothing changed nothing is written, and what was proved is not proved again: then, and
    without `prove`, the answer is None.

    Raises:
        HubopsError: refused before anything was touched, or failed with what was seen.
    """
    machine, emit = session.machine, session.emit
    images = await find_images(fleet, image_names(hub, *machine.top), machine)
    values = render_values(hub, images, *machine.top)
    secrets = prefixed(hub, secret_values(hub, machine))
    session.redactor.add(Secret(value) for value in _leaves(machine.secrets(hub)))
    workplace = session.directory / hub.name
    chart = copy_chart(fleet.root, hub.directory, workplace)
    upgrade = Upgrade(
        hub.release, hub.namespace, chart, [_write_values(workplace, values)], secrets, HELM_TIMEOUT_S
    )
    async with hold(session.kube, hub.name, emit) as lease, _gate(session, lease) as (gate, helm):
        changed = await _release(upgrade, content_of(upgrade, workplace), Writer(gate, helm, lease), session)
        known = not changed and await is_proved(session.kube, hub.release, hub.namespace)
        return await _verify(hub, session, gate) if prove and not known else None


async def deploy_chart(root: Path, name: str, values: Values, session: Session) -> None:
    """Deploy a chart of `root` that is no hub, such as the edge, in the same way but for the proof."""
    workplace = session.directory / name
    upgrade = Upgrade(name, name, copy_chart(root, root / "charts" / name, workplace), [], values)
    async with hold(session.kube, name, session.emit) as lease, _gate(session, lease) as (gate, helm):
        await _release(upgrade, content_of(upgrade, workplace), Writer(gate, helm, lease), session)


async def verify_hub(hub: Hub, session: Session) -> Proof:
    """Prove that people can work on a hub as it is deployed."""
    session.redactor.add(Secret(value) for value in _leaves(session.machine.secrets(hub)))
    async with hold(session.kube, hub.name, session.emit) as lease, _gate(session, lease) as (gate, _):
        return await _verify(hub, session, gate)


async def find_images(fleet: Fleet, names: Iterable[str], machine: Machine) -> dict[str, ImageReference]:
    """The images by digest; refused when one is not in the registry."""
    wanted = {name: reference(fleet, machine.registry, name) for name in names}
    asked = (require_pushed(image, machine.workshop.registry) for image in wanted.values())
    return dict(zip(wanted, await asyncio.gather(*asked), strict=True))


def secret_values(hub: Hub, machine: Machine) -> Values:
    """The hub's secrets, and the role of the service that proves it, which bears one of them."""
    own = machine.secrets(hub)
    return merge(own, probe_values(_token(own)))


@asynccontextmanager
async def _gate(session: Session, lease: Lease) -> AsyncIterator[tuple[Gate, Helm]]:
    gate = Gate(session.connection.socket, permit=lambda method, path: lease.require_held())  # noqa: ARG005
    async with gate.open():
        kubeconfig = session.directory / "gate.json"
        gate.write_kubeconfig(kubeconfig)
        home = make_home(session.directory / "helm")
        yield gate, Helm(session.machine.helm, kubeconfig, home, session.emit, session.redactor)


@dataclass(frozen=True)
class Writer:
    """What writing to the cluster takes: the gate, helm behind it, and the lease that permits it."""

    gate: Gate
    helm: Helm
    lease: Lease


async def _release(upgrade: Upgrade, content: str, writer: Writer, session: Session) -> bool:
    """Bring the release to the cluster unless it has just this content, and watch it until it is ready.

    Returns whether it was changed.
    """
    release, namespace = upgrade.release, upgrade.namespace
    with step(session.emit, f"deploy {release}") as note:
        async with writer.gate.client() as client:
            kube = Kube(client)
            await heal_release(kube, release, namespace, writer.lease, session.emit)
            changed = not await has_content(kube, release, namespace, content)
            if changed:
                await _upgrade(upgrade, writer, session)
                await record_content(kube, release, namespace, content)
        note.text = f"{len(writer.gate.writes)} writes" if changed else "nothing changed"
        limit_s = upgrade.timeout_s
        await rollout.wait_rolled_out(session.kube, namespace, limit_s, session.emit, session.redactor)
    return changed


async def _upgrade(upgrade: Upgrade, writer: Writer, session: Session) -> None:
    kube, namespace = session.kube, upgrade.namespace
    await writer.helm.dependency_build(upgrade.chart)
    known = await rollout.find_pods(kube, namespace)
    watch = rollout.refuse_hopeless(kube, namespace, known, session.redactor)
    try:
        await upgrade_release(writer.helm, upgrade, writer.gate, watch)
    except ReleaseError as error:
        if "pod" not in error.where:
            error.why += "\n" + await rollout.explain(kube, namespace, session.redactor)
        raise


async def _verify(hub: Hub, session: Session, gate: Gate) -> Proof:
    machine = session.machine
    url, secrets = machine.url + hub.path, machine.secrets(hub)
    async with gate.client() as client, open_hub(url, Secret(_token(secrets))) as api:
        claims = f"/api/v1/namespaces/{hub.namespace}/persistentvolumeclaims"

        async def remove_home() -> None:
            await _delete_labelled(Kube(client), claims, f"hub.jupyter.org/username={PROBE_NAME}")

        probe = Probe(PROBE_NAME, load_proof(), remove_home)
        deadline = Deadline(VERIFY_LIMIT_S)
        with step(session.emit, f"verify {hub.name}") as note:
            proof = await verify(api, probe, redactor=session.redactor, emit=session.emit, deadline=deadline)
            password = _user_password(secrets)
            if password and hub.people.allowed:
                await verify_login(url, hub.people.allowed[0], Secret(password), session.emit)
            await record_proof(Kube(client), hub.release, hub.namespace)
            note.text = f"a server started in {proof.server_started_s:.1f} s and ran {proof.cells} cells"
        return proof


async def _delete_labelled(kube: Kube, path: str, labels: str) -> None:
    items, _ = await kube.list(path, labels=labels)
    for item in items:
        await kube.delete(f"{path}/{item['metadata']['name']}")


def _write_values(directory: Path, values: Values) -> Path:
    """JSON is YAML that leaves nothing to interpretation."""
    file = directory / "values.yaml"
    file.write_text(json.dumps(values, indent=2))
    return file


def _token(secrets: Values) -> str:
    return str(secrets["hub"]["services"][SERVICE_NAME]["apiToken"])


def _user_password(secrets: Values) -> str:
    config = secrets.get("hub", {}).get("config", {})
    return str(config.get("SharedPasswordAuthenticator", {}).get("user_password", ""))


def _leaves(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)
