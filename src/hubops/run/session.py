"""What a run works with: the machine, the connection to one cluster, and the ways to write to it."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hubops.clients.gate import Gate
from hubops.clients.helm import Helm, open_home
from hubops.clients.kube import Connection, Kube, connect
from hubops.desired.model import Cluster, Hub, Keeping, People, Values
from hubops.desired.probe import SERVICE_NAME, probe_values
from hubops.desired.values import find_value, merge, texts
from hubops.errors import RefusedError
from hubops.events import Emit
from hubops.execute.build import Workshop
from hubops.execute.lease import Lease, hold
from hubops.execute.mark import mark_cluster, require_cluster
from hubops.secret import Redactor, Secret


@dataclass(frozen=True)
class Machine:
    """What the machine we run on offers, and which cluster it is about.

    `top` are layers of values above the hub's own; `secrets` gives a hub's secret values, opened in
    memory, and `people` its people, where they are encrypted; `makes_secrets` says whether a hub's are not there
    yet, so that asking for them makes them. `registry` is where images go, and `keeping` for how long they stay; `url`
    the hubs' public address without a slash at its end.
    """

    cluster: Cluster
    helm: Path
    kubectl: Path
    kubeconfig: Path | None
    context: str
    workshop: Workshop
    registry: str
    url: str
    secrets: Callable[[Hub], Values]
    top: tuple[Values, ...] = ()
    people: Callable[[Hub], People] = lambda hub: hub.people
    makes_secrets: Callable[[Hub], bool] = lambda _: False
    keeping: Keeping = field(default_factory=Keeping)

    def address(self, hub: Hub) -> str:
        """Where the hub answers: at its own host, if it has one, but on the local cluster, whose one address leads to all."""
        own = "" if self.cluster.local else hub.origin
        return (own or self.url) + hub.path

    def opened(self, hub: Hub) -> Hub:
        """The hub with the names of its people, whose file may be encrypted.

        Raises:
            HubopsError: no key opens it.
        """
        return replace(hub, people=self.people(hub))


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


@dataclass(frozen=True)
class Writer:
    """What writing to the cluster takes: a client and helm, both behind one gate, and the lease that permits it."""

    gate: Gate
    kube: Kube
    helm: Helm
    lease: Lease


@asynccontextmanager
async def open_session(machine: Machine, emit: Emit, redactor: Redactor) -> AsyncIterator[Session]:
    """Connect to the machine's cluster; everything of the session is gone at its end."""
    with tempfile.TemporaryDirectory(prefix="hubops-run-") as directory:
        async with connect(
            machine.kubectl, machine.kubeconfig, machine.context, Path(directory)
        ) as connection:
            yield Session(machine, connection, Path(directory), emit, redactor)


@asynccontextmanager
async def hold_and_write(session: Session, name: str, *, but: str = "") -> AsyncIterator[Writer]:
    """Hold the lease on a hub, and write under it; not even the lease is written to another cluster.

    Nothing is written in the namespace `but`.
    """
    await session.connection.opened()
    await require_cluster(session.kube, session.machine.cluster.name)
    async with (
        hold(session.kube, name, session.emit) as lease,
        open_writer(session, lease, but=but) as writer,
    ):
        await mark_cluster(writer.kube, session.machine.cluster.name)
        yield writer


@asynccontextmanager
async def open_writer(session: Session, lease: Lease, *, but: str = "") -> AsyncIterator[Writer]:
    """A gate of its own: one that was closed over a hopeless release lets nothing through again."""
    gate = Gate(session.connection.socket, permit=permission(lease, but))
    with (
        tempfile.TemporaryDirectory(dir=session.directory) as directory,
        open_home(Path(directory) / "helm") as home,
    ):
        async with gate.open(), gate.client() as client:
            kubeconfig = Path(directory) / "gate.json"
            gate.write_kubeconfig(kubeconfig)
            helm = Helm(session.machine.helm, kubeconfig, home, session.emit, session.redactor)
            yield Writer(gate, Kube(client), helm, lease)


def permission(lease: Lease, but: str = "") -> Callable[[str, str], None]:
    """What a gate asks before it lets a write through: the lease is held, and it is not in the namespace `but`."""

    def permit(_: str, path: str) -> None:
        lease.require_held()
        if but and f"/namespaces/{but}/" in f"{path}/":
            raise RefusedError("nothing is written here", where=f"namespace {but}")

    return permit


def secret_values(hub: Hub, machine: Machine) -> Values:
    """The hub's secrets, and the role of the service that proves it, which bears one of them."""
    own = machine.secrets(hub)
    return merge(own, probe_values(service_token(own).reveal()))


def learn_secrets(hub: Hub, session: Session) -> None:
    """From now on no output shows a secret of the hub."""
    session.redactor.add(Secret(value) for value in texts(session.machine.secrets(hub)))


def service_token(secrets: Values) -> Secret:
    """The token of the hub service that proves the hub.

    Raises:
        RefusedError: it is not among the secrets.
    """
    path = ("hub", "services", SERVICE_NAME, "apiToken")
    found = find_value(secrets, path)
    if not found:
        raise RefusedError(
            "the secrets lack the token by which hubops proves the hub",
            where=".".join(path),
            hint="Add it: 64 random hexadecimal digits, for example those of: openssl rand -hex 32",
        )
    return Secret(str(found))
