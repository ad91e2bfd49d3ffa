"""What the example hubs give people, on a hub with their values: profiles, shared data, and a course that nobody waits for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from time import monotonic

import pytest
import yaml

from cluster.conftest import NAME, PROJECT, Cluster, Fleet
from cluster.own_hub import Browser, Door, Operator, own_hub
from hubops.clients.kube import Kube
from hubops.desired.model import ImageReference
from hubops.desired.values import merge
from hubops.errors import ProgramError
from hubops.local.instance import load_instance
from hubops.local.secrets import load_or_create
from hubops.state.records import read_history

HUB = "coursehub"
LESSON = "earth-course/green-valley.ipynb"
VALUES = yaml.safe_load((PROJECT / "hub-charts/staginghub/values.yaml").read_text())["jupyterhub"]
NOWHERE = {
    "display_name": "Nowhere",
    "slug": "nowhere",
    "kubespawner_override": {"environment": {"COURSE_URL": "https://nowhere.invalid/course.git"}},
}
GIB = 1024**3
COURSE_LIMIT_S = 60
# How much longer than with a course a start without one may take, by the noise of a machine with two cores.
NOISE_S = 15
# As a teacher makes a course for everybody.
PUBLISH = """
cd ~/shared && git init -q --bare -b main course.git && git clone -q course.git /tmp/course 2>/dev/null
cd /tmp/course && git config user.name teacher && git config user.email teacher@localhost
printf '1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\n' > lesson && git add -A && git commit -qm 'One lesson' && git push -q origin HEAD:main
"""
CORRECT = "cd /tmp/course && sed -i s/9/nine/ lesson && touch second && git add -A && git commit -qm More && git push -q origin HEAD:main"
PULL = "COURSE_URL=$HOME/shared/course.git COURSE_DIRECTORY=course pull-course 2>&1; cat ~/course/lesson; ls ~/course"


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    profiles = [*VALUES["singleuser"]["profileList"], NOWHERE]
    async with own_hub(fleet, cluster, tmp_path_factory.mktemp("course"), HUB, ("ada", "ben")) as operator:
        await operator.deploy(merge(VALUES, {"singleuser": {"profileList": profiles}}))
        yield operator


@pytest.fixture
async def door(operator: Operator) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack:
        yield Door(operator, stack)


async def start(person: Browser, **options: str) -> float:
    """How long it took, in seconds."""
    began = monotonic()
    await person.start(**options)
    return monotonic() - began


async def wait_for(operator: Operator, pod: str, test: str) -> float:
    """The seconds until a shell in the person's server finds that it is so."""
    began = monotonic()
    async with asyncio.timeout(COURSE_LIMIT_S):
        while (await operator.inside(pod, f"if {test}; then echo yes; fi")) != "yes\n":
            await asyncio.sleep(0.2)
    return monotonic() - began


async def arrives_at(person: Browser) -> str:
    bearer = {"Authorization": f"token {person.token.reveal()}"}
    answer = await person.http.get(f"user/{person.name}/", headers=bearer)
    return str(answer.headers["location"]).rstrip("?")


async def memory(operator: Operator, pod: str) -> int:
    return int((await operator.server(pod))["resources"]["limits"]["memory"])


async def test_people_choose_a_profile_and_wait_for_no_course(operator: Operator, door: Door) -> None:
    ada, ben = await door.let_in("ada"), await door.let_in("ben")
    page = (await ada.http.get("hub/spawn/ada")).text
    assert all(title in page for title in ("Course", "Large data", "One document", "8 GB"))

    with_course_s = await start(ada, profile="course")
    came_s = await wait_for(operator, "jupyter-ada", f"test -e ~/{LESSON}")
    assert (await memory(operator, "jupyter-ada"), await arrives_at(ada)) == (
        2 * GIB,
        "/coursehub/user/ada/lab",
    )
    await ada.stop()

    await start(ada, **{"profile": "large", "profile-option-large--memory": "4g"})
    assert await memory(operator, "jupyter-ada") == 4 * GIB
    await ada.stop()

    without_s = await start(ben, profile="nowhere")
    assert without_s < with_course_s + NOISE_S
    print(  # noqa: T201
        f"FIGURE: a start took {with_course_s:.1f} s, its course {came_s:.1f} s more; without one {without_s:.1f} s"
    )
    await wait_for(operator, "jupyter-ben", "grep -q 'did not come' ~/.course.log")
    assert "nowhere.invalid" in await operator.inside("jupyter-ben", "cat ~/.course.log; ls ~")
    await ben.stop()


async def test_what_runs_is_the_digest_that_the_deploy_recorded(
    operator: Operator, door: Door, kube: Kube
) -> None:
    ada = await door.let_in("ada")
    await ada.start(profile="course")
    standing = (await read_history(kube, HUB)).standing
    assert standing
    recorded = {name: ImageReference.parse(text).digest for name, text in standing.content.images.items()}
    components = {"hub": "hub", "proxy": "proxy", "earth": "singleuser-server"}
    assert await operator.pulled() == {components[name]: digest for name, digest in recorded.items()}
    await ada.stop()


async def test_admins_write_data_and_a_course_that_people_read(operator: Operator, door: Door) -> None:
    ada, teacher = await door.let_in("ada"), await door.let_in("teacher", admin_password())
    await ada.stop()
    await asyncio.gather(ada.start(profile="document"), teacher.start(profile="course"))
    assert await arrives_at(ada) == "/coursehub/user/ada/doc"
    await operator.inside("jupyter-teacher", f"echo 7 > ~/shared/data.csv{PUBLISH}")

    assert await operator.inside("jupyter-ada", "cat ~/shared/data.csv") == "7\n"
    with pytest.raises(ProgramError, match="Read-only"):
        await operator.inside("jupyter-ada", "echo 8 > ~/shared/data.csv")
    with pytest.raises(ProgramError, match="Read-only"):
        await operator.inside("jupyter-ada", "rm ~/shared/data.csv")

    await operator.inside("jupyter-ada", f"{PULL}; sed -i s/1/mine/ ~/course/lesson; echo own > ~/course/own")
    await operator.inside("jupyter-teacher", CORRECT)
    found = (await operator.inside("jupyter-ada", PULL)).split()
    assert found[-12:] == ["mine", *"2345678", "nine", "lesson", "own", "second"]

    link = "git-pull?repo=/home/jovyan/shared/course.git&targetpath=linked&urlpath=lab/tree/linked/lesson"
    page = await ada.http.get(f"hub/user-redirect/{link}", follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, "/coursehub/user/ada/git-pull")
    bearer = {"Authorization": f"token {ada.token.reveal()}"}
    pulled = await ada.http.get(f"user/ada/{link.replace('git-pull?', 'git-pull/api?')}", headers=bearer)
    assert '"phase": "finished"' in pulled.text
    assert "nine" in await operator.inside("jupyter-ada", "cat ~/linked/lesson")


def admin_password() -> str:
    secrets = load_or_create(load_instance(NAME).directory / "secrets", HUB)["hub"]["config"]
    return str(secrets["SharedPasswordAuthenticator"]["admin_password"])
