"""A rehearsal's parts that need no cluster: what is compared, what is told, and what a twin is made of."""

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from fast.answering import serve_answers
from fast.volumes import serve
from hubops.cli import init
from hubops.cli.chart import upgrade
from hubops.clients.questions import Questions
from hubops.desired.model import Cluster as WantedCluster
from hubops.desired.model import Hub
from hubops.desired.probe import SERVICE_NAME
from hubops.errors import ClusterError, MachineError, RefusedError, ReleaseError
from hubops.execute.asking_pod import asking_spec
from hubops.execute.database import NAME, read_database, without_servers, write_database
from hubops.execute.lease import Lease, now
from hubops.execute.questions.cluster import Cluster
from hubops.execute.twin import twin_namespace
from hubops.execute.twin_objects import references, rename_references, twin_objects
from hubops.plan.rehearsal import compare
from hubops.plan.rehearsal_model import Measured, Rehearsed
from hubops.report.rehearsal import format_rehearsal, rehearsal_data
from hubops.run.session import Machine, Session, permission
from hubops.run.twin import Twin
from hubops.run.twin_chart import known
from hubops.secret import Redactor
from hubops.state.rehearsal_model import Answers, Mount, Person, Server, parse_answers

TRAITS = {"pvc_name_template": "claim-{user_server}", "slug_scheme": "safe", "remember_pvc_name": "True"}
HOME = "/home/jovyan"


def home(volume: str, below: str = "") -> Server:
    return Server((Mount(volume, below, HOME),))


def person(server: Server, *, allowed: bool | None = True, admin: bool = False, **named: Server) -> Person:
    return Person(allowed, admin, {"": server, **named})


def answers(people: dict[str, Person], version: str = "5.5.4", **traits: str) -> Answers:
    revisions = ("a", "b")
    return Answers(
        version,
        "KubeSpawner 7.1.0",
        "GitHubOAuthenticator 17",
        revisions,
        1.2,
        {**TRAITS, **traits},
        people=people,
    )


def test_who_keeps_all_is_no_finding() -> None:
    people = {"ada": person(home("claim-ada"), lab=home("claim-ada--lab")), "new": person(home("claim-new"))}
    found = compare(answers(people), answers(people), {"claim-ada", "claim-ada--lab"})
    assert (found.homes, found.moved, found.findings) == (2, (), ())


def test_a_renamed_home_is_found_for_each_server_and_one_that_is_not_there_is_none() -> None:
    before = {"ada": person(home("claim-ada"), lab=home("claim-ada--lab")), "new": person(home("claim-new"))}
    after = {"ada": person(home("home-ada"), lab=home("home-ada")), "new": person(home("home-new"))}
    found = compare(
        answers(before), answers(after, pvc_name_template="home-{username}"), {"claim-ada", "claim-ada--lab"}
    )
    assert [(each.person, each.server, each.before, each.after) for each in found.moved] == [
        ("ada", "", "claim-ada", "home-ada"),
        ("ada", "lab", "claim-ada--lab", "home-ada"),
    ]
    [finding] = found.findings
    assert finding.what == "1 person would find another volume than today's in 2 places"
    assert 'singleuser.storage.dynamic.pvcNameTemplate: "claim-{user_server}"' in finding.hint


def test_a_directory_of_a_shared_volume_counts_as_a_home() -> None:
    before, after = (
        {"ada@x": person(home("homes", "ada-40x"))},
        {"ada@x": person(home("homes", "ada-x---1234"))},
    )
    found = compare(answers(before, slug_scheme=""), answers(after), {"homes"})
    assert [(each.before, each.after) for each in found.moved] == [("homes/ada-40x", "homes/ada-x---1234")]
    assert "hub.config.KubeSpawner.slug_scheme: escape" in found.findings[0].hint
    assert "{escaped_username} for {username} in singleuser.storage.static.subPath" in found.findings[0].hint


def test_a_volume_that_is_mounted_elsewhere_is_the_same_and_one_that_is_gone_is_lost() -> None:
    before = Server((Mount("claim-ada", "", HOME), Mount("shared", "", "/shared")))
    after = Server((Mount("claim-ada", "", "/home/rstudio"),))
    found = compare(
        answers({"ada": person(before)}), answers({"ada": person(after)}), {"claim-ada", "shared"}
    )
    assert [(each.before, each.after) for each in found.moved] == [("shared", "")]


def test_what_is_at_the_same_place_in_the_server_is_what_would_be_there_instead() -> None:
    before = Server((Mount("data", "", "/data"), Mount("home", "", HOME)))
    after = Server((Mount("other", "", HOME), Mount("more", "", "/data")))
    found = compare(answers({"ada": person(before)}), answers({"ada": person(after)}), {"data", "home"})
    assert [(each.before, each.after) for each in found.moved] == [("data", "more"), ("home", "other")]


def test_what_is_no_claim_of_the_namespace_is_taken_to_be_there() -> None:
    nfs, other = 'nfs {"path": "/a"}', "their-namespace/claim-ada"
    people = {"ada": person(home(nfs)), "bob": person(home(other))}
    nobody = {name: person(Server()) for name in people}
    assert len(compare(answers(people), answers(nobody), set()).moved) == 2


def test_a_name_that_is_no_longer_remembered_is_said_to_be() -> None:
    before, after = {"ada": person(home("old"))}, {"ada": person(home("claim-ada"))}
    found = compare(answers(before), answers(after, remember_pvc_name="False"), {"old"})
    assert found.findings[0].hint == "What keeps them: hub.config.KubeSpawner.remember_pvc_name: true"


def test_where_no_setting_explains_it_the_place_to_look_is_told() -> None:
    found = compare(answers({"ada": person(home("a"))}), answers({"ada": person(home("b"))}), {"a"})
    assert found.findings[0].hint.startswith("Compare singleuser.storage")


def test_a_server_that_cannot_be_asked_is_a_finding_of_its_own() -> None:
    after = {"ada": person(Server(error="ValueError: no such profile"))}
    found = compare(answers({"ada": person(home("claim-ada"))}), answers(after), {"claim-ada"})
    assert (found.homes, found.moved) == (0, ())
    assert found.findings[0].what == (
        "of 1 servers nobody knows which volumes they would have: ValueError: no such profile"
    )


@pytest.mark.parametrize(
    ("said", "locked_out"),
    [
        ((True, True), 0),
        ((True, False), 1),
        ((None, False), 1),
        ((False, False), 0),
        ((True, None), 0),
        ((None, None), 0),
    ],
)
def test_who_could_log_in_and_could_not_is_locked_out(
    said: tuple[bool | None, bool | None], locked_out: int
) -> None:
    before, after = (answers({"ada": person(Server(), allowed=each)}) for each in said)
    found = compare(before, after, set())
    assert (len(found.locked_out), found.undecided) == (locked_out, int(said[1] is None))
    assert len(found.findings) == locked_out


def test_who_is_gone_is_locked_out_and_from_version_5_on_the_reason_is_told() -> None:
    found = compare(answers({"ada": person(home("a"))}, version="4.1.6"), answers({}), {"a"})
    assert (found.locked_out, found.moved) == (("ada",), ())
    assert "hub.config.GitHubOAuthenticator.allow_all or allow_existing_users" in found.findings[0].hint


def test_who_is_no_admin_any_more_is_a_finding() -> None:
    found = compare(answers({"ada": person(Server(), admin=True)}), answers({"ada": person(Server())}), set())
    assert (found.demoted, found.findings[0].what) == (("ada",), "1 person would not be admin any more")


def rehearsed() -> Rehearsed:
    before = {"ada": person(home("claim-ada"), admin=True), "bob": person(home("claim-bob"))}
    after = {"ada": person(home("home-ada")), "bob": person(home("claim-bob"), allowed=False)}
    found = compare(answers(before), replace(answers(after), hook=True), {"claim-ada", "claim-bob"})
    return Rehearsed("earthhub", "jupyterhub 0.2.0", found, Measured(7, logged_in=True, server_s=4.25))


def test_the_report_counts_and_names_only_when_asked_to() -> None:
    assert format_rehearsal(rehearsed(), names=False) == (
        "earthhub with jupyterhub 0.2.0: JupyterHub 5.5.4, KubeSpawner 7.1.0\n"
        "  database  upgraded in 1.2 s; 7 s without a hub, while servers that run go on\n"
        "  homes     1 of 2 stay where they are, 1 would be others; what pre_spawn_hook does is not seen\n"
        "  login     1 of 2 people may log in, 1 are kept out, 1 would be no admin; one did by the form\n"
        "  server    a probe person got one in 4.2 s and ran the proof"
    )
    named = format_rehearsal(rehearsed(), names=True)
    assert "\n            claim-ada → home-ada\n" in named
    assert "\n            bob could not log in\n            ada would be no admin\n" in named
    data = json.dumps(rehearsal_data(rehearsed(), names=False))
    assert not [name for name in ("ada", "bob") if name in data]
    assert rehearsal_data(rehearsed(), names=True)["names"]["locked_out"] == ["bob"]


def test_answers_are_read_as_they_are_written() -> None:
    written = {
        "jupyterhub": "5.5.4",
        "spawner": "KubeSpawner 7.1.0",
        "authenticator": "DummyAuthenticator 5.5.4",
        "revisions": ["a", "b"],
        "upgraded_s": 0.5,
        "traits": TRAITS,
        "hook": False,
        "people": {
            "ada": {
                "allowed": None,
                "admin": True,
                "servers": {"": {"volumes": [["claim-ada", "", HOME]]}, "lab": {"error": "TypeError: x"}},
            }
        },
    }
    found = parse_answers(written)
    assert found.revisions == ("a", "b")
    assert found.people["ada"].servers == {"": home("claim-ada"), "lab": Server(error="TypeError: x")}


def make_database(path: Path, mode: str = "delete") -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"pragma journal_mode={mode}")
        database.execute("create table servers (id integer)")
        database.execute("create table spawners (id integer, server_id integer, state text)")
        database.execute("insert into servers values (1), (2)")  # the second is a service's
        state = {"namespace": "hub", "pvc_name": "claim-ada"}
        elsewhere = {"namespace": "elsewhere"}
        rows = [(1, 1, json.dumps(state)), (2, None, json.dumps(elsewhere)), (3, None, None)]
        database.executemany("insert into spawners values (?, ?, ?)", rows)
        database.commit()


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_in_the_copy_nobodys_server_runs_and_none_is_in_the_hubs_namespace(tmp_path: Path, mode: str) -> None:
    make_database(tmp_path / NAME, mode)
    copy = without_servers((tmp_path / NAME).read_bytes(), "hub")
    (tmp_path / "copy").write_bytes(copy)
    with closing(sqlite3.connect(tmp_path / "copy")) as database:
        rows = database.execute("select server_id, state from spawners order by id").fetchall()
        servers = database.execute("select id from servers").fetchall()
    assert [(server, json.loads(state)) for server, state in rows] == [
        (None, {"pvc_name": "claim-ada"}),
        (None, {"namespace": "elsewhere"}),
        (None, {}),
    ]
    assert servers == [(2,)]


def test_what_is_no_hubs_database_is_told() -> None:
    with pytest.raises(ClusterError, match="no database of a hub"):
        without_servers(b"SQLite format 3\0" + bytes(100), "hub")


async def test_a_database_goes_from_one_volume_into_another(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    make_database(source / NAME)
    (source / "beside").write_text("what hubs leave there too")
    async with serve(source) as volume:
        database = await read_database(volume)
    async with serve(target) as volume:
        await write_database(volume, database)
    assert (target / NAME).read_bytes() == database
    async with serve(tmp_path) as volume:
        with pytest.raises(ClusterError, match="no database"):
            await read_database(volume)


async def test_a_hub_that_cannot_be_asked_says_why(tmp_path: Path) -> None:
    async with serve(tmp_path, package="questions") as volume:
        questions = Questions(**vars(volume))
        with pytest.raises(ReleaseError, match="does not start on a copy of the database") as caught:
            await questions.answer({"claim-ada"}, without="hubops-probe")
    assert "No module named 'jupyterhub'" in caught.value.why


def test_the_cluster_of_the_questions_knows_its_claims_and_makes_no_pod(tmp_path: Path) -> None:
    cluster = Cluster({"claim-ada"})
    cluster.begin(tmp_path / "kubeconfig")
    url = yaml.safe_load((tmp_path / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]

    def status(path: str, body: bytes | None = None) -> int:
        request = urllib.request.Request(f"{url}/api/v1/namespaces/hub/{path}", data=body)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=5
            ) as answer:
                found: int = answer.status
                return found
        except urllib.error.HTTPError as error:
            return error.code

    assert [status(f"persistentvolumeclaims/{name}") for name in ("claim-ada", "claim-bob")] == [200, 404]
    assert status("pods") == 200
    assert status("persistentvolumeclaims", b'{"kind": "PersistentVolumeClaim"}') == 201
    assert status("pods", b'{"kind": "Pod"}') == 403
    assert cluster.pods == [("hub", {"kind": "Pod"})]
    cluster.shutdown()
    cluster.server_close()


DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "hub"},
    "spec": {
        "replicas": 0,
        "template": {
            "spec": {
                "serviceAccountName": "hub",
                "priorityClassName": "theirs",
                "imagePullSecrets": [{"name": "pull"}],
                "initContainers": [{"name": "first", "envFrom": [{"configMapRef": {"name": "first"}}]}],
                "containers": [
                    {"name": "beside"},
                    {
                        "name": "hub",
                        "args": ["jupyterhub", "--config", "/conf.py", "--upgrade-db"],
                        "readinessProbe": {},
                        "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "2"}},
                        "env": [
                            {
                                "name": "POD_NAMESPACE",
                                "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
                            },
                            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
                        ],
                        "volumeMounts": [
                            {"name": "db", "mountPath": "/srv/jupyterhub", "subPath": "db"},
                            {"name": "shared", "mountPath": "/shared"},
                        ],
                    },
                ],
                "volumes": [
                    {"name": "db", "persistentVolumeClaim": {"claimName": "hub-db-dir"}},
                    {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}},
                    {"name": "config", "configMap": {"name": "hub"}},
                    {"name": "all", "projected": {"sources": [{"secret": {"name": "extra"}}]}},
                ],
            }
        },
    },
}
SERVICE = {
    "kind": "Service",
    "metadata": {"name": "proxy-public", "annotations": {"external-dns.alpha.kubernetes.io/hostname": "x"}},
    "spec": {"type": "LoadBalancer", "loadBalancerIP": "1.2.3.4", "ports": [{"port": 80, "nodePort": 30000}]},
}


def test_a_twin_is_hub_and_proxy_with_no_way_in_from_outside() -> None:
    others = [
        {"kind": "Ingress", "metadata": {"name": "jupyterhub"}},
        {"kind": "ClusterRole", "metadata": {"name": "scheduler"}},
        {"kind": "DaemonSet", "metadata": {"name": "puller"}},
        {"kind": "Deployment", "metadata": {"name": "autohttps"}, "spec": {}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "big"}, "spec": {}},
        {"kind": "Secret", "metadata": {"name": "theirs", "namespace": "kube-system"}},
        {"kind": "Role", "metadata": {"name": "puller", "annotations": {"helm.sh/hook": "pre-upgrade"}}},
    ]
    service, deployment = twin_objects([DEPLOYMENT, SERVICE, *others], "twin")
    assert service["spec"] == {"type": "ClusterIP", "ports": [{"port": 80}]}
    assert "annotations" not in service["metadata"]
    pod = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["replicas"] == 1
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "hub-db-dir"}
    assert pod["volumes"][1] == {"name": "shared", "emptyDir": {}}
    assert pod["containers"][1]["volumeMounts"][0] == {"name": "db", "mountPath": "/srv/jupyterhub"}


def test_a_chart_is_told_only_what_it_knows() -> None:
    values = {"cull": {"enabled": False}, "proxy": {"https": {"enabled": False}}, "scheduling": {"x": 1}}
    assert known(values, {"cull": {"enabled": True}, "proxy": {"service": {}}, "scheduling": None}) == {
        "cull": {"enabled": False},
        "proxy": {},
    }


def test_what_a_pod_refers_to_is_found_and_renamed() -> None:
    pod = yaml.safe_load(yaml.safe_dump(DEPLOYMENT))["spec"]["template"]["spec"]
    found = {
        ("Secret", "pull"),
        ("Secret", "hub"),
        ("Secret", "extra"),
        ("ConfigMap", "hub"),
        ("ConfigMap", "first"),
    }
    assert references(pod) == found
    rename_references(pod, lambda name: f"before-{name}")
    assert references(pod) == {(kind, f"before-{name}") for kind, name in found}


def test_a_pod_that_is_asked_has_the_hubs_settings_and_no_rights() -> None:
    hub = DEPLOYMENT["spec"]["template"]["spec"]
    spec = asking_spec(hub, ["python3"], ["8000", "sha"], "real")
    [container] = spec["containers"]
    assert container["args"] == ["/srv/jupyterhub", "8000", "sha", "--config", "/conf.py", "--upgrade-db"]
    assert container["env"][0] == {"name": "POD_NAMESPACE", "value": "real"}
    assert container["env"][1] == hub["containers"][1]["env"][1]
    assert "readinessProbe" not in container
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert (spec["automountServiceAccountToken"], "serviceAccountName" in spec) == (False, False)
    assert [volume for volume in spec["volumes"] if "persistentVolumeClaim" in volume] == []
    assert spec["initContainers"][0]["name"] == "first"
    assert hub["containers"][1]["args"][0] == "jupyterhub"  # what was given is as it was


def test_a_long_name_of_a_hub_still_makes_one_namespace() -> None:
    names = {twin_namespace("a" * 60 + end) for end in ("b", "c")}
    assert {len(name) for name in names} == {63}
    assert len(names) == 2
    assert twin_namespace("earthhub") == "hubops-rehearse-earthhub"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/namespaces/hub", "/api/v1/namespaces/hub/pods/x", "/apis/apps/v1/namespaces/hub/deployments"],
)
def test_a_rehearsal_writes_nothing_where_the_hub_is(path: str) -> None:
    permit = permission(Lease("hub", "me", "", now(), now), "hub")
    permit("POST", path.replace("/hub", "/hubops-rehearse-hub"))
    with pytest.raises(RefusedError):
        permit("POST", path)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    CliRunner().invoke(init.command, [str(tmp_path / "ops")])
    monkeypatch.chdir(tmp_path / "ops")
    monkeypatch.setenv("HUBOPS_LOCAL", "there-is-none")
    return tmp_path / "ops"


async def test_a_twin_is_asked_where_it_is_and_not_at_the_running_hubs_own_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    async def prove_login(hub: Hub, session: Session) -> bool:
        asked.append(session.machine.address(hub))
        return True

    monkeypatch.setattr("hubops.run.twin.prove_login", prove_login)
    nothing: Any = None
    hub = Hub(
        "course", directory=tmp_path, stage="production", cluster=WantedCluster("campus"), image="", release="course",
        namespace="course", path="/a/", prefix="", values={}, origin="https://course.example.org",
    )  # fmt: skip
    secrets = {"hub": {"services": {SERVICE_NAME: {"apiToken": "t"}}}}
    with serve_answers() as server:
        server.reply = lambda *_: (200, {}, b'{"version": "5.5.4"}')

        @asynccontextmanager
        async def forward(*_: object) -> AsyncIterator[str]:
            yield f"http://{server.host}"

        url = "https://hubs.example.org"
        machine = Machine(
            hub.cluster, tmp_path, tmp_path, None, "", nothing, "", url=url, secrets=lambda _: secrets
        )
        connection: Any = SimpleNamespace(forward=forward)
        session = Session(machine, connection, tmp_path, lambda _: None, Redactor())
        twin = Twin(nothing, hub, session, nothing, nothing, "hubops-rehearse-course")
        measured = await twin.use(1.5, nothing, server=False)
        assert measured == Measured(1.5, logged_in=True)
        assert asked == [f"http://{server.host}/a/"]
        assert server.seen == [("GET", "/a/hub/api/")]


def test_what_is_touched_is_said_first_and_without_a_cluster_that_is_told(root: Path) -> None:
    result = CliRunner().invoke(upgrade, ["staginghub", "0.1.0", "--rehearse"])
    assert isinstance(result.exception, MachineError)
    assert result.exception.what == "the local cluster is not there"
    assert result.stderr.startswith(
        "This touches cluster local. staginghub goes on; a pod in namespace staginghub reads"
    )
    assert root.is_dir()


@pytest.mark.parametrize("option", [["--names"], ["--with-server"], ["--format", "json"]])
def test_options_of_a_rehearsal_are_refused_without_it(root: Path, option: list[str]) -> None:
    assert root.is_dir()
    assert CliRunner().invoke(upgrade, ["staginghub", "0.1.0", *option]).exit_code == 2
