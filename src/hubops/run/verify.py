"""The proof of a hub as it runs: a probe person works on it, and a person can log in."""

from hubops.answer import Present
from hubops.checks.cells import load_proof
from hubops.checks.login import verify_login
from hubops.checks.notebook import verify
from hubops.checks.options import refuse_unknown_options
from hubops.checks.proof_model import Proof
from hubops.checks.rollout import tail
from hubops.checks.server_start import Probe
from hubops.clients.hub import open_hub
from hubops.clients.kube import Kube
from hubops.deadline import Deadline
from hubops.desired.access import login_of
from hubops.desired.model import Hub, Values
from hubops.desired.probe import PROBE_NAME
from hubops.events import step
from hubops.run.session import Session, hold_and_write, learn_secrets, service_token
from hubops.secret import Secret
from hubops.state.live import read_hub_values

VERIFY_LIMIT_S = 600


async def verify_hub(hub: Hub, session: Session) -> Proof:
    """Prove that people can work on a hub as it is deployed."""
    learn_secrets(hub, session)
    hub = session.machine.opened(hub)
    async with hold_and_write(session, hub.name) as writer:
        return await prove(hub, session, writer.kube)


async def prove(hub: Hub, session: Session, kube: Kube) -> Proof:
    """Run the proof, under a lease that is held; `kube` removes the probe's volume.

    Raises:
        HubError: people cannot work.
        OutOfReachError: nobody could tell.
    """
    machine = session.machine
    url, secrets = machine.address(hub), machine.secrets(hub)
    claims = f"/api/v1/namespaces/{hub.namespace}/persistentvolumeclaims"

    labels = f"hub.jupyter.org/username={PROBE_NAME}"

    async def remove_home() -> None:
        items, _ = await kube.list(claims, labels=labels)
        for item in items:
            await kube.delete(f"{claims}/{item['metadata']['name']}")

    async def logs() -> str:
        pods, _ = await kube.list(f"/api/v1/namespaces/{hub.namespace}/pods", labels=labels)
        return "\n".join([await tail(kube, hub.namespace, pod) for pod in pods])

    async def pods() -> frozenset[str]:
        events, _ = await kube.list(
            f"/api/v1/namespaces/{hub.namespace}/events", fields="involvedObject.kind=Pod"
        )
        return frozenset(event["involvedObject"].get("uid", "") for event in events)

    async with open_hub(url, service_token(secrets)) as api:
        probe = Probe(PROBE_NAME, load_proof(), remove_home, logs=logs, pods=pods)
        with step(session.emit, f"verify {hub.name}") as note:
            proof = await verify(
                api,
                probe,
                redactor=session.redactor,
                emit=session.emit,
                deadline=Deadline(VERIFY_LIMIT_S),
            )
            # The last classes are made for the first person's server.
            await refuse_unknown_options(kube, hub.namespace, session.redactor)
            await prove_login(hub, session)
            note.text = f"a server started in {proof.server_started_s:.1f} s and ran {proof.cells} cells"
        return proof


async def prove_login(hub: Hub, session: Session) -> bool:
    """Log in as a person by the form; whether there is a password for that, and somebody who may.

    Raises:
        HubError: the hub does not let the person in, or lets in one with a wrong password.
        OutOfReachError: nobody could tell.
    """
    password = _user_password(session.machine.secrets(hub))
    # Admins have another password.
    others = {*hub.people.blocked, *hub.people.admins}
    allowed = [name for name in hub.people.allowed if name not in others]
    if not password or not allowed or not await _asks_for_that_password(hub, session):
        return False
    await verify_login(session.machine.address(hub), allowed[0], Secret(password), session.emit)
    return True


async def _asks_for_that_password(hub: Hub, session: Session) -> bool:
    """Not where the hub's own values chose another login."""
    given = await read_hub_values(session.kube, hub.namespace)
    return not isinstance(given, Present) or login_of(given.value) in {"", "SharedPasswordAuthenticator"}


def _user_password(secrets: Values) -> str:
    config = secrets.get("hub", {}).get("config", {})
    return str(config.get("SharedPasswordAuthenticator", {}).get("user_password", ""))
