"""Who may be on a hub, who leaves it, and how they are taken off."""

import base64
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fast.memory_api import MemoryApi
from fast.memory_hub import MemoryHub
from hubops.clients.hub import open_hub
from hubops.clients.kube import Kube
from hubops.desired.access import read_access
from hubops.desired.model import Access, Cluster, Hub, People
from hubops.desired.people import check_people, hidden_lists, normal_name, with_people
from hubops.desired.probe import PROBE_NAME, SERVICE_NAME
from hubops.desired.values import merge
from hubops.errors import HubError, OutOfReachError, RefusedError
from hubops.events import Event, Remark, StepEnded
from hubops.execute import arrivals
from hubops.execute import people as execute_people
from hubops.execute.people import remove_people
from hubops.plan.people import who_leaves
from hubops.run import people as run_people
from hubops.run.people import PeopleChange
from hubops.run.session import Machine
from hubops.secret import Secret

TOKEN = "t0ken-of-the-service"
POD = "/api/v1/namespaces/course/pods/hub-1"
CLOSED = {"Authenticator": {"allow_existing_users": False}, "JupyterHub": {"authenticator_class": "github"}}
LEDGER = Hub(
    "course", directory=Path(), stage="production", cluster=Cluster("campus"), image="", release="course",
    namespace="course", path="/", prefix="", values={}, people=People(("Ann",), ("ben", "cy"), decides_admins=True),
)  # fmt: skip


def given(people: People, config: Any = CLOSED, **hub: Any) -> dict[str, Any]:
    """The values that a hub with these people is deployed with."""
    return with_people(replace(LEDGER, people=people), {"hub": {"config": config, **hub}})


def access(people: People, config: Any = CLOSED, **hub: Any) -> Access:
    return read_access(given(people, config, **hub))


# --- people.yaml and the values


def test_people_become_lists_of_jupyterhub_and_its_admin_role() -> None:
    hub = given(People(("Ann",), ("ben", "cy"), blocked=("Cy", "dot"), decides_admins=True))["hub"]
    assert hub["config"]["Authenticator"] == {
        "admin_users": ["Ann"],
        "allowed_users": ["Ann", "ben"],
        "blocked_users": ["Cy", "dot"],
        "allow_existing_users": False,
    }
    assert hub["loadRoles"] == {"admin": {"users": ["Ann"]}}
    assert hub["config"]["KubeSpawner"] == {"delete_pvc": False}


def test_nobody_is_admin_where_the_list_is_empty_and_none_are_unmade_where_there_is_no_list() -> None:
    assert given(People(decides_admins=True))["hub"]["loadRoles"] == {"admin": {"users": []}}
    assert "loadRoles" not in given(People(allowed=("ben",)))["hub"]


@pytest.mark.parametrize(
    "config",
    [
        {"GenericOAuthenticator": {"admin_groups": ["staff"]}},
        {"GoogleOAuthenticator": {"admin_google_groups": {"example.org": ["staff"]}}},
        {"Authenticator": {"manage_roles": True}},
    ],
)
def test_admins_by_a_group_are_not_unmade(config: Any) -> None:
    found = access(People(("ann",), decides_admins=True), merge(CLOSED, config))
    assert found.admins == {"ann"}
    assert not found.admins_closed


def test_what_a_values_file_says_wins_and_is_told() -> None:
    config = {"Authenticator": {"admin_users": ["zoe"]}, "KubeSpawner": {"delete_pvc": True}}
    github = {"GitHubOAuthenticator": {"allowed_users": [], "allowed_organizations": ["org"]}}
    values = {"hub": {"config": merge(config, github, CLOSED)}}
    hub = with_people(LEDGER, values)["hub"]
    assert hub["config"]["Authenticator"]["admin_users"] == ["zoe"]
    assert hub["config"]["KubeSpawner"] == {"delete_pvc": True}
    assert hidden_lists(LEDGER, values) == {
        "admins": ("hub", "config", "Authenticator", "admin_users"),
        "allowed": ("hub", "config", "GitHubOAuthenticator", "allowed_users"),
        "teams": ("hub", "config", "GitHubOAuthenticator", "allowed_organizations"),
    }


TEAMS = [
    ("github", "GitHubOAuthenticator", {"allowed_organizations": ["org", "org:a"]}),
    ("oauthenticator.gitlab.GitLabOAuthenticator", "GitLabOAuthenticator", {"allowed_gitlab_groups": ["org", "org:a"]}),
    ("bitbucket", "BitbucketOAuthenticator", {"allowed_teams": ["org", "org:a"]}),
    ("globus", "GlobusOAuthenticator", {"allowed_globus_groups": ["org", "org:a"]}),
    ("ldap", "LDAPAuthenticator", {"allowed_groups": ["org", "org:a"]}),
    ("generic-oauth", "GenericOAuthenticator", {"manage_groups": True, "allowed_groups": ["org", "org:a"]}),
    ("azuread", "AzureAdOAuthenticator", {"manage_groups": True, "allowed_groups": ["org", "org:a"]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "section", "traits"), TEAMS, ids=[name for name, *_ in TEAMS])
def test_teams_are_what_each_login_calls_so(name: str, section: str, traits: Any) -> None:
    config = merge(CLOSED, {"JupyterHub": {"authenticator_class": name}})
    people = People(allowed=("ben",), teams=("org:a", "org"))
    assert given(people, config)["hub"]["config"][section] == traits
    assert list(check_people(replace(LEDGER, people=people), {"hub": {"config": config}})) == []
    assert not access(people, config).closed


def test_google_groups_go_by_their_domain() -> None:
    config = {"JupyterHub": {"authenticator_class": "google"}}
    people = People(teams=("b@uni.edu", "a@uni.edu", "c@org.edu"))
    google = given(people, config)["hub"]["config"]["GoogleOAuthenticator"]
    assert google == {"allowed_google_groups": {"uni.edu": ["a", "b"], "org.edu": ["c"]}}
    hub = replace(LEDGER, people=People(teams=("a@uni.edu", "staff")))
    (problem,) = check_people(hub, {"hub": {"config": config}})
    assert "staff is not a Google group" in problem.what


@pytest.mark.parametrize("login", ["native", "shared-password", "my.own.Login", None])
def test_teams_without_effect_are_refused_but_on_the_local_cluster(login: str | None) -> None:
    people = People(teams=("org:a",))
    values = {"hub": {"config": {"JupyterHub": {"authenticator_class": login}}}}
    (problem,) = check_people(replace(LEDGER, people=people), values)
    assert "its login knows none" in problem.what
    local = replace(LEDGER, people=people, cluster=Cluster("local", local=True))
    assert list(check_people(local, values)) == []


@pytest.mark.parametrize(
    ("name", "login", "normal"),
    [("Ann", "", "ann"), ("Ann@Uni.EDU", "", "ann@uni.edu"), ("Ann Lee", "MWOAuthenticator", "Ann_Lee")],
)
def test_names_are_compared_as_the_hub_does(name: str, login: str, normal: str) -> None:
    assert normal_name(name, login) == normal


# --- whom the values let in


def test_a_hub_is_closed_when_only_names_let_in() -> None:
    found = access(People(("Ann",), ("ben",), blocked=("cy",), decides_admins=True))
    assert found == Access(
        frozenset({"ann", "ben"}), frozenset({"ann"}), frozenset({"cy"}), closed=True, admins_closed=True,
        homes_stay=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "config",
    [
        {"Authenticator": {"allow_existing_users": None}},
        {"GitHubOAuthenticator": {"allow_existing_users": True}},
        {"Authenticator": {"allow_all": True}},
        {"GitHubOAuthenticator": {"allowed_organizations": ["org"]}},
        {"GenericOAuthenticator": {"allowed_scopes": ["x"]}},
        {"CILogonOAuthenticator": {"idps": {"https://idp": {"allowed_domains": ["uni.edu"]}}}},
        {"JupyterHub": {"authenticator_class": "my.own.Login"}},
        {"JupyterHub": {"authenticator_class": "mediawiki"}},
        {"JupyterHub": {"authenticator_class": "firstuse"}},
        {"JupyterHub": {"authenticator_class": "tmp"}},
        {"JupyterHub": {"authenticator_class": None}},
    ],
)
def test_a_hub_is_open_when_others_may_come_or_nobody_can_tell(config: Any) -> None:
    assert access(People(allowed=("ben",))).closed
    assert not access(People(allowed=("ben",)), merge(CLOSED, config)).closed


@pytest.mark.parametrize(
    "login",
    [
        "hmacauthenticator.HMACAuthenticator",
        "ldap",
        "ltiauthenticator.lti11.auth.LTI11Authenticator",
        "ltiauthenticator.lti13.auth.LTI13Authenticator",
        "native",
    ],
)
def test_names_alone_let_in_by_other_logins_too(login: str) -> None:
    config = merge(CLOSED, {"JupyterHub": {"authenticator_class": login}})
    assert access(People(allowed=("ben",)), config).closed
    assert not access(People(allowed=("ben",)), merge(config, {"Authenticator": {"allow_all": True}})).closed


@pytest.mark.parametrize("script", ["c.Authenticator.allow_all = True", "c.MyAuthenticator.x = 1"])
def test_a_script_on_logins_makes_a_hub_open(script: str) -> None:
    assert not access(People(allowed=("ben",)), extraConfig={"x": script}).closed
    assert access(People(allowed=("ben",)), extraConfig={"x": "c.Spawner.debug = True"}).closed


def test_an_empty_list_never_means_that_everybody_goes() -> None:
    assert not access(People()).closed
    assert not access(People(blocked=("cy",))).closed


@pytest.mark.parametrize(
    ("config", "scripts"),
    [
        ({"KubeSpawner": {"delete_pvc": True}}, {}),
        ({"MySpawner": {"delete_pvc": True}}, {}),
        ({}, {"extraConfig": {"x": "c.KubeSpawner.delete_pvc = True"}}),
        ({}, {"extraFiles": {"x": {"stringData": "c.KubeSpawner.delete_pvc = True"}}}),
    ],
)
def test_homes_are_safe_only_where_nothing_says_otherwise(config: Any, scripts: Any) -> None:
    assert access(People()).homes_stay
    assert not access(People(), merge(CLOSED, config), **scripts).homes_stay
    assert not read_access({"hub": {}}).homes_stay


def test_whom_a_role_names_is_named() -> None:
    roles = {"grader": {"users": ["Gil"], "scopes": ["read:users"]}}
    assert access(People(allowed=("ben",)), loadRoles=roles).named == {"ben", "gil"}


# --- who leaves

KNOWN = ["Ann", "ben", "cy", "dot"]
OPEN_TO_ALL = merge(CLOSED, {"Authenticator": {"allow_all": True}})
OPEN = access(People(allowed=("ben",)), OPEN_TO_ALL)


@pytest.mark.parametrize(
    ("wanted", "had", "leaving"),
    [
        (access(People(("ann",), ("ben",))), None, ["cy", "dot"]),
        (access(People(("ann",), ("ben", "cy", "dot"))), None, []),
        (access(People(("ann",), ("ben", "cy", "dot"), ("cy",))), None, ["cy"]),
        (OPEN, None, []),
        (OPEN, access(People(allowed=("ben", "cy"))), ["cy"]),
        (replace(OPEN, blocked=frozenset({"dot"})), None, ["dot"]),
        (replace(OPEN, named=frozenset({"ann"})), Access(frozenset({"ann"}), frozenset({"ann"})), ["Ann"]),
        (
            replace(OPEN, named=frozenset({"ann"}), admins_closed=True),
            Access(frozenset({"ann"}), frozenset({"ann"})),
            [],
        ),
    ],
    ids=[
        "closed: all but the named", "closed: nobody", "blocked though named", "open: nobody", "open: who was named before",
        "open: who is blocked", "an admin no longer", "an admin no longer, by the role",
    ],
)  # fmt: skip
def test_who_leaves(wanted: Access, had: Access | None, leaving: list[str]) -> None:
    assert who_leaves(KNOWN, wanted, had) == leaving


def test_who_was_told_to_go_goes_whatever_was_before_unless_they_are_named() -> None:
    had = access(People(allowed=("ben",)))
    assert who_leaves(KNOWN, OPEN, had, {"ann", "ben", "zoe"}) == ["Ann"]


# --- taking them off


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (execute_people, run_people):
        monkeypatch.setattr(module, "_POLL_S", 0.01)


def permit() -> None:
    """The lease is held."""


@pytest.mark.usefixtures("quick")
async def test_servers_stop_before_a_person_is_deleted() -> None:
    hub = MemoryHub({"ann": {}, "cy/x": {"": "ready", "two": "spawn", "three": "stop 3"}, "dot": {}})
    async with hub.open(), open_hub(hub.url, Secret(TOKEN)) as api:
        await remove_people(api, ["cy/x"], permit)
    assert hub.acts == ["DELETE cy/x server", "DELETE cy/x servers two", "DELETE cy/x"]
    assert [*hub.people] == ["ann", "dot"]


@pytest.mark.usefixtures("quick")
async def test_a_refusal_is_tried_again_and_one_that_stays_fails_without_a_name() -> None:
    hub = MemoryHub({"cy": {"": "ready"}, "dot": {}})
    async with hub.open(), open_hub(hub.url, Secret(TOKEN)) as api:
        hub.faults = [400, 500]
        await remove_people(api, ["cy"], permit)
        hub.faults = [500, 500, 500]
        with pytest.raises(HubError, match="1 of 1 people") as caught:
            await remove_people(api, ["dot"], permit)
    assert "HTTP 500" in caught.value.why
    assert "dot" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_without_the_lease_nobody_is_taken_off() -> None:
    def refuse() -> None:
        raise RefusedError("the lease was lost")

    hub = MemoryHub({"cy": {"": "ready"}})
    async with hub.open(), open_hub(hub.url, Secret(TOKEN)) as api:
        with pytest.raises(RefusedError):
            await remove_people(api, ["cy"], refuse)
    assert hub.acts == []


async def test_all_pages_are_read() -> None:
    hub = MemoryHub({name: {} for name in "abcdefg"}, page=3)
    async with hub.open(), open_hub(hub.url, Secret(TOKEN)) as api:
        assert [person.name for person in await api.list_people()] == list("abcdefg")


@asynccontextmanager
async def people_change(
    hub: MemoryHub, deployed: Any | None, *, follows: Callable[[], None] | None = None
) -> AsyncIterator[tuple[PeopleChange, list[Event]]]:
    """Of a deploy to a hub that was given the values `deployed` before; None: there is none.

    One that `follows` its people does that when its pod is changed.
    """
    api, events = MemoryApi(), list[Event]()
    if follows:
        deployed = {**(deployed or {}), "FollowsPeople": True}
        api.objects[POD] = {"metadata": {"name": "hub-1", "labels": {"component": "hub"}}}

        def on_request(method: str, path: str) -> int:
            if method == "PATCH" and path == POD:
                follows()
            return 0

        api.fault = on_request
    if deployed is not None:
        data = {"values.yaml": base64.b64encode(json.dumps(deployed).encode()).decode()}
        api.objects["/api/v1/namespaces/course/secrets/hub"] = {"data": data}
    async with hub.open(), api.open() as kube:
        secrets = {"hub": {"services": {SERVICE_NAME: {"apiToken": TOKEN}}}}
        nothing: Any = None
        machine = Machine(
            LEDGER.cluster, Path(), Path(), None, "", nothing, "", url=hub.url, secrets=lambda hub: secrets
        )
        session: Any = SimpleNamespace(machine=machine, kube=kube, emit=events.append)
        writer: Any = SimpleNamespace(kube=kube, lease=SimpleNamespace(require_held=permit))
        yield PeopleChange(LEDGER, session, writer), events


NOW = People(("ann",), ("ben",), decides_admins=True)
BEFORE = People(("ann",), ("ben", "cy"), decides_admins=True)


@pytest.mark.usefixtures("quick")
async def test_who_is_named_no_longer_leaves_before_the_upgrade_and_others_after_it() -> None:
    hub = MemoryHub(
        {"ann": {}, "ben": {"": "ready"}, "cy": {"": "ready"}, "old": {}, PROBE_NAME: {"": "ready"}}
    )
    async with people_change(hub, given(BEFORE)) as (leaving, events):
        await leaving.before(access(NOW), rolled_out=True)
        assert [*hub.people] == ["ann", "ben", "old", PROBE_NAME]
        await leaving.after(access(NOW), upgraded=True)
        leaving.settle()
    assert [*hub.people] == ["ann", "ben", PROBE_NAME]
    assert hub.acts == ["DELETE cy server", "DELETE cy", "DELETE old"]
    assert [e.note for e in events if isinstance(e, StepEnded)] == ["1 left", "1 left"]


async def test_who_came_is_waited_for_on_a_hub_that_follows_its_people() -> None:
    hub = MemoryHub({"ann": {}, "ben": {}})

    def follow() -> None:
        hub.people["cy"] = {}

    async with people_change(hub, given(NOW), follows=follow) as (change, events):
        await change.before(access(BEFORE), rolled_out=True)
        await change.after(access(BEFORE), upgraded=True)
        change.settle()
    assert [*hub.people] == ["ann", "ben", "cy"]
    assert [e.note for e in events if isinstance(e, StepEnded)] == ["1 came"]


async def test_who_does_not_come_is_said_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "_LIMIT_S", 0.0)
    hub = MemoryHub({"ann": {}, "ben": {}})
    async with people_change(hub, given(NOW), follows=lambda: None) as (change, _):
        await change.before(access(BEFORE), rolled_out=True)
        await change.after(access(BEFORE), upgraded=True)
        with pytest.raises(HubError, match="does not know 1 of the people") as caught:
            change.settle()
    assert "cy" not in str(caught.value).split()


async def test_who_came_is_not_waited_for_on_a_hub_that_restarts() -> None:
    hub = MemoryHub({"ann": {}, "ben": {}})
    async with people_change(hub, given(NOW)) as (change, events):
        await change.before(access(BEFORE), rolled_out=True)
        await change.after(access(BEFORE), upgraded=True)
        change.settle()
    assert events == []


async def test_who_is_told_to_go_leaves_a_hub_that_has_these_lists_already() -> None:
    hub, open_lists = MemoryHub({"ann": {}, "cy": {}, "dot": {}}), access(NOW, OPEN_TO_ALL)
    async with people_change(hub, given(NOW, OPEN_TO_ALL)) as (leaving, _):
        leaving.told = frozenset({"cy"})
        await leaving.before(open_lists, rolled_out=True)
        await leaving.after(open_lists, upgraded=False)
        leaving.settle()
    assert [*hub.people] == ["ann", "dot"]


async def test_nothing_is_said_or_done_where_nobody_leaves() -> None:
    hub = MemoryHub({"ann": {}})
    async with people_change(hub, given(NOW)) as (leaving, events):
        await leaving.before(access(NOW), rolled_out=True)
        await leaving.after(access(NOW), upgraded=True)
        leaving.settle()
    assert (hub.acts, events) == ([], [])


@pytest.mark.usefixtures("quick")
async def test_a_hub_of_an_older_hubops_loses_nobody_before_it_keeps_homes() -> None:
    hub, older = MemoryHub({"cy": {}}), given(BEFORE)
    del older["hub"]["config"]["KubeSpawner"]
    async with people_change(hub, older) as (leaving, events):
        await leaving.before(access(NOW), rolled_out=True)
        assert [*hub.people] == ["cy"]
        assert [e.text for e in events if isinstance(e, Remark)] != []
        await leaving.after(access(NOW), upgraded=True)
        leaving.settle()
    assert [*hub.people] == []


async def test_a_hub_that_may_not_have_its_settings_yet_loses_nobody_before_the_upgrade() -> None:
    hub = MemoryHub({"cy": {}})
    async with people_change(hub, given(BEFORE)) as (leaving, events):
        await leaving.before(access(NOW), rolled_out=False)
    assert (hub.acts, events) == ([], [])
    assert leaving.had == access(BEFORE)


async def test_nobody_is_deleted_whose_home_would_go_and_that_is_said() -> None:
    hub = MemoryHub({"cy": {"": "ready"}})
    async with people_change(hub, None) as (leaving, _):
        await leaving.after(replace(access(NOW), homes_stay=False), upgraded=True)
        with pytest.raises(RefusedError, match="could delete their homes"):
            leaving.settle()
    assert hub.acts == []


def move(leaving: PeopleChange, url: str) -> None:
    """From now on the cluster's hubs are at another address; the session of these tests stands for a frozen one."""
    session: Any = leaving.session
    session.machine = replace(session.machine, url=url)


async def test_a_hub_with_an_address_of_its_own_is_asked_there() -> None:
    memory = MemoryHub({})
    async with people_change(memory, given(BEFORE)) as (leaving, _):
        machine = leaving.session.machine
        own = replace(LEDGER, origin="https://course.example.org", path="/a/")
        assert machine.address(own) == "https://course.example.org/a/"
        assert machine.address(replace(own, origin="")) == f"{memory.url}/a/"
        local = replace(machine, cluster=replace(machine.cluster, local=True))
        assert local.address(own) == f"{memory.url}/a/", "one address leads to all hubs there"


async def test_a_hub_that_is_away_fails_only_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_AFTER_UPGRADE_S", "_BEFORE_UPGRADE_S", "_POLL_S"):
        monkeypatch.setattr(run_people, name, 0.02)
    async with people_change(MemoryHub({}), given(BEFORE)) as (leaving, events):
        move(leaving, "http://127.0.0.1:1")
        await leaving.before(access(NOW), rolled_out=True)
        await leaving.after(access(NOW), upgraded=True)
        with pytest.raises(OutOfReachError):
            leaving.settle()
    assert [type(e) for e in events] == [Remark]


@pytest.mark.parametrize("refuses", [True, False], ids=["nothing listens", "nothing is said"])
async def test_a_hub_that_does_not_answer_is_told_soon_where_nothing_changed(
    monkeypatch: pytest.MonkeyPatch, *, refuses: bool
) -> None:
    assert run_people._AS_IT_IS_S < 10
    monkeypatch.setattr(run_people, "_AS_IT_IS_S", 0.2)
    monkeypatch.setattr(run_people, "_POLL_S", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = 1 if refuses else deaf.getsockname()[1]
        async with people_change(MemoryHub({}), given(NOW)) as (leaving, _):
            move(leaving, f"http://127.0.0.1:{port}")
            began = time.monotonic()
            await leaving.after(access(NOW), upgraded=False)
            assert 0.2 <= time.monotonic() - began < 2
            with pytest.raises(OutOfReachError, match="course does not answer within 0 s") as caught:
                leaving.settle()
    assert f"127.0.0.1:{port}" in caught.value.where
    assert ("ConnectError" in caught.value.why) == refuses
    assert "hubops logs course" in caught.value.hint


def crowd(number: int, *, blocked: int = 0) -> MemoryHub:
    """A hub with the teacher, a student, and so many more than people.yaml names; some of them are blocked there."""
    names = [*(f"strange-{n}" for n in range(number)), *(f"bad-{n}" for n in range(blocked))]
    return MemoryHub({"ann": {}, "ben": {"": "ready"}, **{name: {"": "ready"} for name in names}}, page=50)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("strangers", "known_besides", "confirmed", "leave"),
    [(5, 0, 0, True), (6, 0, 0, False), (6, 0, 5, False), (6, 0, 6, True), (9, 40, 0, True), (20, 40, 0, False)],
)  # fmt: skip
async def test_more_than_a_few_leave_only_when_that_is_confirmed(
    strangers: int, known_besides: int, confirmed: int, *, leave: bool
) -> None:
    """As when a hub that was there before is deployed by hubops for the first time."""
    hub = crowd(strangers)
    hub.people |= {f"named-{n}": {} for n in range(known_besides)}
    wanted = access(replace(NOW, allowed=("ben", *(f"named-{n}" for n in range(known_besides)))))
    async with people_change(hub, None) as (leaving, _):
        leaving.hub = replace(LEDGER, people_may_leave=confirmed)
        await leaving.after(wanted, upgraded=True)
        if leave:
            leaving.settle()
        else:
            known = 2 + strangers + known_besides
            with pytest.raises(
                RefusedError, match=f"^{strangers} of the {known} people whom course"
            ) as caught:
                leaving.settle()
            assert f"`people-may-leave: {strangers}` into hub-charts/course/hub.yaml" in caught.value.hint
            assert "Homes stay" in caught.value.why
            assert "strange" not in str(caught.value)
    assert len(hub.people) == 2 + known_besides + (0 if leave else strangers)
    assert bool(hub.acts) == leave


@pytest.mark.usefixtures("quick")
async def test_who_is_blocked_leaves_in_any_number_and_whatever_the_others_do() -> None:
    hub = crowd(6, blocked=8)
    blocked = tuple(f"bad-{n}" for n in range(8))
    async with people_change(hub, given(BEFORE)) as (leaving, _):
        await leaving.before(access(replace(NOW, blocked=blocked)), rolled_out=True)
        assert len(hub.people) == 2 + 6
        await leaving.after(access(replace(NOW, blocked=blocked)), upgraded=True)
        with pytest.raises(RefusedError, match="6 of the 8"):
            leaving.settle()
    assert len(hub.people) == 2 + 6


@pytest.mark.usefixtures("quick")
async def test_a_list_that_became_short_takes_nobody_off_before_the_upgrade_either() -> None:
    """And whom somebody names as one to go is confirmed by that, and nobody else."""
    names = tuple(f"strange-{n}" for n in range(7))
    hub = crowd(7)
    async with people_change(hub, given(replace(NOW, allowed=("ben", *names)))) as (leaving, events):
        await leaving.before(access(NOW), rolled_out=True)
        assert hub.acts == []
        assert [e.text for e in events if isinstance(e, Remark)] == [
            "not yet before the upgrade: 7 of the 9 people whom course knows would be taken off it at once"
        ]
        leaving.told = frozenset(names[:1])
        await leaving.before(access(NOW), rolled_out=True)
        assert [*hub.people] == ["ann", "ben", *names[1:]]
        leaving.told = frozenset(names)
        await leaving.before(access(NOW), rolled_out=True)
    assert [*hub.people] == ["ann", "ben"]


async def test_a_confirmation_that_is_not_needed_any_more_is_told() -> None:
    async with people_change(MemoryHub({"ann": {}}), given(NOW)) as (leaving, events):
        leaving.hub = replace(LEDGER, people_may_leave=3)
        await leaving.after(access(NOW), upgraded=False)
        leaving.settle()
    assert [e.text for e in events if isinstance(e, Remark)] == [
        "course: nobody has to leave; people-may-leave can go"
    ]


async def test_nobody_can_tell_is_not_nobody_was_there() -> None:
    async with people_change(MemoryHub({}), given(BEFORE)) as (leaving, _), away() as leaving.session.kube:  # type: ignore[misc]  # stands for a frozen one
        with pytest.raises(OutOfReachError, match="whom the hub lets in"):
            await leaving.before(access(NOW), rolled_out=True)


@asynccontextmanager
async def away() -> AsyncIterator[Kube]:
    api = MemoryApi()
    api.fault = lambda method, path: 503
    async with api.open() as kube:
        yield kube
