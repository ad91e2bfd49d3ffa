"""What an image has and lets its user do, compared with what hubs ask of it. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hubops.checks.trial_model import Package
from hubops.desired.seat_model import Seat
from hubops.errors import BuildError

_ROOT = 0
_SHOWN = 6  # names in a note
_PROCESS_1 = re.compile(r"\bpid ?1\b", re.IGNORECASE)


def find_image_faults(
    image: str, seats: Sequence[Seat], answer: Mapping[str, Any], entrypoint: Sequence[str] = ()
) -> Iterator[BuildError]:
    """What keeps people of these hubs from working in the image; who it runs as decides about all else.

    `entrypoint` is what the servers were started by.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: the answer is not one of the scripts'.
    """
    wrong = list(_user_faults(image, seats, int(answer["uid"])))
    yield from wrong
    if wrong or not seats:
        return
    if fault := answer["home_fault"] or answer["fresh_home_fault"]:
        yield BuildError(
            f"the user of the image {image} cannot write to its home",
            where=_dockerfile(image),
            why=f"user id {answer['uid']}, home {answer['home']}: {fault}",
            hint=f"Let it belong to the user: RUN install -d -o {answer['uid']} -g {answer['uid']} {answer['home']}",
        )
    commands = list(dict.fromkeys(seat.command for seat in seats))
    servers = dict(zip(commands, answer["servers"], strict=True))
    for command, server in servers.items():
        if server["fault"] and not _wants_to_be_first(server):
            yield _no_server(image, command, server, entrypoint)
    for seat in seats:
        version = str(servers[seat.command]["version"])
        if not servers[seat.command]["fault"] and not fits(version, seat.hub_version):
            yield _other_version(image, seat, version)


def fits(version: str, hub_version: str) -> bool:
    """JupyterHub's own rule (jupyterhub/_version.py of 5.x): the major versions are one; unknown fits.

    Where they differ JupyterHub itself only warns, of failing logins and redirect loops.
    """
    return not version or not hub_version or version.split(".")[0] == hub_version.split(".")[0]


def find_notes(seats: Sequence[Seat], answer: Mapping[str, Any]) -> Iterator[str]:
    """What a reviewer should know of an image in which nothing is wrong."""
    home = str(answer["home"])
    for mount, names in answer["hidden"].items():
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield f"people do not see {', '.join(names[:_SHOWN])}{more} of {mount}: their volume is mounted over it"
        if mount != home and not f"{mount}/".startswith(f"{home}/") and not home.startswith(f"{mount}/"):
            yield f"what people keep in {home} is lost with their server: their volume is mounted at {mount}"
    if seats and not answer["account"]:
        yield f"user id {answer['uid']} has no name in /etc/passwd: git, ssh and shells want one"
    if any(_wants_to_be_first(server) for server in answer["servers"]):
        yield "its ENTRYPOINT is not tested: it wants to be process 1, which it is on a hub only"
    if any(server["fault"] == "" and not server["version"] for server in answer["servers"]):
        yield "the server does not tell its version"
    yield from dict.fromkeys(
        f"whether it fits the hub's version is not known: {seat.unknown}" for seat in seats if seat.unknown
    )


def read_packages(answer: Mapping[str, Any]) -> tuple[Package, ...]:
    """The packages of the scripts' answer, in order.

    Raises:
        ValueError, LookupError, TypeError: the answer is not one of the scripts'.
    """
    return tuple(sorted({Package(*map(str, each)) for each in answer["packages"]}))


def _user_faults(image: str, seats: Sequence[Seat], uid: int) -> Iterator[BuildError]:
    for seat in seats:
        if uid == _ROOT:
            why = 'the pod security standard "restricted" lets no container run as root'
        elif seat.uid is not None and seat.uid != uid:
            why = f"{seat.hub} starts people's servers as user id {seat.uid}, whom the image's files do not belong to"
        else:
            continue
        yield BuildError(
            f"the user of the image {image} is {'root' if uid == _ROOT else f'user id {uid}'}",
            where=_dockerfile(image),
            why=why,
            hint=f"End the Dockerfile with the line USER {seat.uid or 1000}.",
        )
        return


def _wants_to_be_first(server: Mapping[str, Any]) -> bool:
    """Such as s6-overlay; what runs in a build is never process 1."""
    return bool(server.get("alone")) and bool(_PROCESS_1.search(str(server["output"])))


def _no_server(
    image: str, command: tuple[str, ...], server: Mapping[str, Any], entrypoint: Sequence[str]
) -> BuildError:
    by = f", started by ENTRYPOINT {json.dumps([*entrypoint])}," if entrypoint else ""
    hint = "Every person's server is started by it: install jupyterhub and jupyterlab, and try it in a container."
    if server.get("alone"):
        hint = (
            "Without the ENTRYPOINT it starts. On a hub the ENTRYPOINT gets the command as its arguments: a script"
            ' must be executable, and end with exec "$@". Or take it out: ENTRYPOINT []'
        )
    return BuildError(
        f"{command[0]}{by} does not start in the image {image}: {server['fault']}",
        where=_dockerfile(image),
        why=str(server["output"]).strip() or "it printed nothing",
        hint=hint,
    )


def _other_version(image: str, seat: Seat, version: str) -> BuildError:
    return BuildError(
        f"JupyterHub {version} of the image {image} does not fit JupyterHub {seat.hub_version} of {seat.hub}",
        where=_dockerfile(image),
        why="the major versions must be the same: else logins fail, or redirect in a circle",
        hint=f"Install jupyterhub {seat.hub_version.split('.')[0]}.* in the image.",
    )


def _dockerfile(image: str) -> str:
    return f"user-images/{image}/Dockerfile"
