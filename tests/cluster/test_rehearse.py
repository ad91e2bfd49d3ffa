"""A chart's next version, rehearsed on a copy of a hub's database on the real cluster: what it finds, and what it leaves."""

import json
import os
import shutil
import signal
import tarfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.commands import deploy_unproved, run_hubops
from cluster.conftest import NAME, Cluster, Fleet
from cluster.test_deploy import UPSTREAM_VALUES, Ended, make_fleet
from hubops.clients import process
from hubops.desired.values import merge
from hubops.desired.yaml import parse_yaml
from hubops.execute.sent import sent_command
from hubops.execute.twin import twin_namespace
from hubops.local.instance import load_instance
from hubops.scaffold.changes import read_tree

HUB = "rehearsehub"
TWIN = twin_namespace(HUB)
NEXT = "0.2.0"
VALUES = {"hub": {"allowNamedServers": True, "config": {"KubeSpawner": {"slug_scheme": "escape"}}}}
# Claims of people as the volumes of their servers; no pod ever mounted one, so they cost nothing.
CLAIMS = ("claim-ada", "claim-ada--lab", "claim-grace-2dhopper", "kept-for-edith")
# An older schema, and spawners as an older hub left them: two people whose volume's name is nowhere but in a template, by
# the scheme of that time; one whose spawner remembers it; nobody else ever had a server. One server runs, one has a name.
PREPARE = """
import json, os, sqlite3, subprocess
from contextlib import closing
from jupyterhub import dbutil
with closing(sqlite3.connect("jupyterhub.sqlite")) as old, closing(sqlite3.connect("older.sqlite")) as new:
    old.backup(new)
with dbutil._temp_alembic_ini("sqlite:///older.sqlite") as settings:
    subprocess.run(["alembic", "-c", settings, "downgrade", "-1"], check=True)
had = {"ada": {}, "grace-hopper": {}, "edith": {"pvc_name": "kept-for-edith", "kubespawner_version": "7.0.0"}}
with closing(sqlite3.connect("older.sqlite")) as new:
    new.execute("insert into servers (id, proto, ip, port, base_url) values (99, 'http', '10.0.0.1', 8888, '/')")
    for name, more in had.items():
        state = json.dumps({"pod_name": f"jupyter-{name}", "namespace": NAMESPACE, "dns_name": "x", **more})
        user = "(select id from users where name = ?)"
        new.execute(f"insert into spawners (user_id, name, state) values ({user}, '', ?)", (name, state))
        if name == "ada":
            new.execute(f"insert into spawners (user_id, name, state) values ({user}, 'lab', ?)", (name, state))
    new.execute("update spawners set server_id = 99 where id = (select min(id) from spawners)")
    new.commit()
os.replace("older.sqlite", "jupyterhub.sqlite")
"""


@dataclass(frozen=True)
class Operator:
    """Somebody with a repository that has one hub more, on the tests' cluster."""

    root: Path
    cluster: Cluster
    hub: str = HUB

    async def rehearse(
        self, *arguments: str, version: str = NEXT, kill_at: str = "", after_s: float = 0
    ) -> Ended:
        """The command as a person types it; SIGKILL `after_s` after it printed `kill_at`."""
        words = ["chart", "upgrade", self.hub, version, "--rehearse", *arguments]
        return await run_hubops(
            self.root, *words, kill_at=kill_at, after_s=after_s, with_stderr="json" not in arguments
        )

    async def deploy(self) -> None:
        """Without its proof, which says nothing about a chart to come."""
        await deploy_unproved(self.root, self.hub)

    async def state(self) -> str:
        """Everything in the hub's namespace, as it is at this moment; events and leases say what was, not what is."""
        kinds = "all,secret,configmap,pvc,serviceaccount,role,rolebinding"
        fields = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{'\\n'}{end}"
        return await self.cluster.run("get", kinds, "-n", self.hub, "-o", fields)

    async def twin(self) -> str:
        return await self.cluster.run("get", "namespace", TWIN, "--ignore-not-found", "-o", "name")

    async def require_gone(self) -> None:
        """Kubernetes takes its time with a namespace."""
        await self.cluster.run("wait", "--for=delete", f"namespace/{TWIN}", "--timeout=60s")


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    assert fleet.hubs
    operator = Operator(make_hub(tmp_path_factory.mktemp("rehearse")), cluster)
    os.environ["HUBOPS_LOCAL"] = NAME
    await forget(cluster)
    await operator.deploy()
    await cluster.run("apply", "-n", HUB, "-f", "-", stdin="\n---\n".join(map(claim, CLAIMS)))
    code = PREPARE.replace("NAMESPACE", repr(HUB))
    await cluster.run("exec", "-n", HUB, "deploy/hub", "--", "python3", "-c", code)
    yield operator
    await forget(cluster)


def claim(name: str) -> str:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": name, "labels": {"component": "singleuser-storage"}}
    return json.dumps(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    )


def make_hub(directory: Path) -> Path:
    root = make_fleet(directory)
    hub = root / "hub-charts" / HUB
    hub.mkdir()
    dependency = {"name": "jupyterhub", "version": "0.1.0", "repository": "file://../../charts/jupyterhub"}
    chart = {"apiVersion": "v2", "name": HUB, "version": "0.1.0", "dependencies": [dependency]}
    (hub / "Chart.yaml").write_text(json.dumps(chart))
    shutil.copy(root / "hub-charts" / "staginghub" / "Chart.lock", hub)
    (hub / "hub.yaml").write_text("stage: staging\nimage: earth\n")
    (hub / "people.yaml").write_text(
        "admins: [teacher]\nallowed: [student, ada, grace-hopper, edith, newcomer]\n"
    )
    put_values(
        root, {"hub": {"allowNamedServers": True, "config": {"KubeSpawner": {"slug_scheme": "escape"}}}}
    )
    return root


def put_values(root: Path, values: dict[str, Any], hub: str = HUB) -> None:
    (root / "hub-charts" / hub / "values.yaml").write_text(json.dumps({"jupyterhub": values}))


async def forget(cluster: Cluster, hub: str = HUB) -> None:
    await cluster.run("delete", "namespace", hub, twin_namespace(hub), "--ignore-not-found")
    await cluster.run("delete", "secret", "-n", "hubops", "-l", f"hubops.dev/hub={hub}")
    for lease in (f"deploy-{hub}", f"deploy-rehearse-{hub}"):
        await cluster.run("delete", "lease", "-n", "hubops", lease, "--ignore-not-found")
    (load_instance(NAME).directory / "secrets" / f"{hub}.json").unlink(missing_ok=True)


@pytest.fixture
def chart(operator: Operator) -> Path:
    """The chart of the repository as its next version; the test may change it, and the hub has the old one again after."""
    chart = operator.root / "charts" / "jupyterhub"
    shutil.rmtree(chart)
    shutil.copytree(Path(__file__).parents[2] / "charts" / "jupyterhub", chart)
    edit(chart / "Chart.yaml", "version: 0.1.0", f"version: {NEXT}")
    return chart


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture
def values(operator: Operator) -> Iterator[dict[str, Any]]:
    """The values of the hub's file; the test may write others."""
    yield VALUES
    put_values(operator.root, VALUES)


@pytest.mark.long
async def test_a_renamed_home_is_found_and_the_hub_is_as_it_was(operator: Operator, chart: Path) -> None:
    edit(chart / "values.yaml", "pvcNameTemplate:\n", 'pvcNameTemplate: "home-{username}"\n')
    before, files = await operator.state(), read_tree(operator.root, "")
    ended = await operator.rehearse("--names", "--format", "json")
    assert ended.code == 20
    found = json.loads(ended.text)
    names = found.pop("names")
    assert found["homes"] == {"total": 4, "moved": 3, "unclear": 0, "hook": False}
    assert sorted((each["person"], each["before"], each["after"]) for each in names["moved"]) == [
        ("ada", "claim-ada", "home-ada"),
        ("ada", "claim-ada--lab", "home-ada"),
        ("grace-hopper", "claim-grace-2dhopper", "home-grace-2dhopper"),
    ]
    assert not [name for name in ("ada", "grace", "edith") if name in json.dumps(found)]
    assert found["findings"][0]["hint"] == (
        'What keeps them: singleuser.storage.dynamic.pvcNameTemplate: "claim-{user_server}"'
    )
    assert found["login"] == {"locked_out": 0, "undecided": 0, "demoted": 0, "logged_in": True}
    old, new = found["database"]["revisions"]
    assert old != new
    assert found["database"]["upgraded_s"] > 0
    assert 0 < found["database"]["answers_s"] < 60
    assert await operator.state() == before
    assert read_tree(operator.root, "") == files
    await operator.require_gone()


@pytest.mark.long
async def test_what_a_finding_says_keeps_the_homes(operator: Operator, chart: Path, values: Any) -> None:
    edit(chart / "values.yaml", "pvcNameTemplate:\n", 'pvcNameTemplate: "home-{username}"\n')
    kept = {"storage": {"dynamic": {"pvcNameTemplate": "claim-{user_server}"}}}
    put_values(operator.root, {**values, "singleuser": kept})
    ended = await operator.rehearse("--with-server")
    assert ended.code == 0
    assert "4 of 4 stay where they are" in ended.text
    assert "6 of 6 people may log in; one did by the form" in ended.text
    assert "a probe person got one in" in ended.text
    assert "nothing would be worse than today" in ended.text
    # By the new scheme a home would be looked for under the old name as well, as only KubeSpawner knows.
    put_values(operator.root, {"hub": {"allowNamedServers": True}, "singleuser": kept})
    assert "4 of 4 stay where they are" in (await operator.rehearse()).text


@pytest.mark.long
async def test_a_hub_that_does_not_start_on_the_database_is_named(operator: Operator, chart: Path) -> None:
    edit(chart / "templates/hub/deployment.yaml", "- --upgrade-db\n", "- --log-level=INFO\n")
    before = await operator.state()
    ended = await operator.rehearse()
    assert ended.code == 1
    assert f"the new {HUB} does not start on a copy of the database" in ended.text
    assert "Found database schema version" in ended.text
    assert await operator.state() == before
    await operator.require_gone()


@pytest.mark.long
async def test_who_would_be_kept_out_is_counted(operator: Operator, chart: Path) -> None:
    assert chart.is_dir()
    file = operator.root / "hub-charts" / HUB / "people.yaml"
    text = file.read_text()
    file.write_text("admins: [student]\nallowed: [student, ada, edith, newcomer]\n")
    ended = await operator.rehearse()
    file.write_text(text)
    assert ended.code == 20
    assert "4 of 6 people may log in, 2 are kept out, 1 would be no admin; one did by the form" in ended.text
    assert "grace" not in ended.text


@pytest.mark.long
@pytest.mark.parametrize(
    ("kill_at", "after_s"), [("copy the database", 3), ("start the new hub", 3), ("log in as a person", 0)]
)
async def test_a_killed_rehearsal_leaves_nothing_behind_the_next(
    operator: Operator, chart: Path, kill_at: str, after_s: float
) -> None:
    assert chart.is_dir()
    before = await operator.state()
    assert (await operator.rehearse(kill_at=kill_at, after_s=after_s)).code == -signal.SIGKILL
    if kill_at != "copy the database":
        assert await operator.twin()
    assert (await operator.rehearse()).code == 0
    assert await operator.state() == before
    await operator.require_gone()


@pytest.mark.long
async def test_a_namespace_of_somebody_else_is_not_touched(operator: Operator, chart: Path) -> None:
    assert chart.is_dir()
    await operator.require_gone()
    await operator.cluster.run("create", "namespace", TWIN)
    ended = await operator.rehearse()
    assert (ended.code, f"there is a namespace {TWIN}, and it is not from a rehearsal" in ended.text) == (
        20,
        True,
    )
    assert await operator.twin()
    await operator.cluster.run("delete", "namespace", TWIN)


# A configuration in which only the authenticator itself can tell who may come, and only the spawner what it mounts.
CONFIGURATION = """
import os
c = get_config()
c.JupyterHub.authenticator_class = "github"
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.JupyterHub.cookie_secret = bytes(32)
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.auth_token = "t"
c.GitHubOAuthenticator.allow_existing_users = False
c.GitHubOAuthenticator.allowed_users = {"ada"}
c.GitHubOAuthenticator.admin_users = {"ada"}
c.GitHubOAuthenticator.blocked_users = {"bob"}
if TEAMS:
    c.GitHubOAuthenticator.allowed_organizations = {"school"}
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.volumes = [
    {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}},
    {"name": "data", "nfs": {"server": "nfs.example.org", "path": "/data"}},
    {"name": "settings", "configMap": {"name": "settings"}},
]
c.KubeSpawner.volume_mounts = [
    {"name": "home", "mountPath": "/home/jovyan"},
    {"name": "data", "mountPath": "/data", "subPath": "{username}"},
    {"name": "settings", "mountPath": "/settings"},
]
def modify(spawner, pod):
    if spawner.user.name == "eve":
        raise ValueError("not eve")
    return pod
c.KubeSpawner.modify_pod_hook = modify
c.Spawner.pre_spawn_hook = lambda spawner: None
"""
ASK = """
cd "$(mktemp -d)"
cat > conf.py
python3 - <<END
import asyncio
from jupyterhub import orm
session = orm.new_session_factory("sqlite:///jupyterhub.sqlite")()
session.add_all(orm.User(name=name) for name in ("ada", "bob", "carol", "eve"))
session.commit()
END
echo '{"claims": [], "without": "carol"}' > question
python3 -c "$1" "$2" "$3" question answer --config conf.py --JupyterHub.db_url=sqlite:///jupyterhub.sqlite >&2
cat answer
"""


@pytest.mark.long
@pytest.mark.parametrize(("teams", "eve"), [(False, False), (True, None)])
async def test_authenticator_and_spawner_are_asked_themselves(
    operator: Operator, *, teams: bool, eve: bool | None
) -> None:
    """In the hub's own pod, on a database beside its own; what it might do to the cluster is not done there either."""
    before = await operator.state()
    code = sent_command("questions.ask", "volume", "questions")[2:]
    words = [
        "exec",
        "-i",
        "-n",
        HUB,
        "deploy/hub",
        "--",
        "env",
        f"POD_NAMESPACE={HUB}",
        "sh",
        "-euc",
        ASK,
        "sh",
    ]
    told = CONFIGURATION.replace("TEAMS", str(teams))
    found = json.loads(await operator.cluster.run(*words, *code, stdin=told))
    people = found["people"]
    assert {name: about["allowed"] for name, about in people.items()} == {
        "ada": True,
        "bob": False,
        "eve": eve,
    }
    assert {name: about["admin"] for name, about in people.items()} == {
        "ada": True,
        "bob": False,
        "eve": False,
    }
    nfs = 'nfs {"path": "/data", "server": "nfs.example.org"}'
    mounts = [["claim-ada", "", "/home/jovyan"], [nfs, "ada", "/data"]]
    assert people["ada"]["servers"] == {"": {"volumes": mounts}}
    assert people["eve"]["servers"] == {"": {"error": "ValueError: not eve"}}
    assert (found["hook"], found["traits"]["slug_scheme"]) == (True, "safe")
    assert await operator.state() == before


UPSTREAM = f"{HUB}-upstream"


@pytest.mark.long
async def test_the_upstream_charts_next_major_version(
    fleet: Fleet, cluster: Cluster, upstream_chart: Path, tmp_path: Path
) -> None:
    """Homes in one shared volume, in directories by people's names: another scheme of names is other directories."""
    assert fleet.hubs
    newer = sorted(upstream_chart.parent.glob("jupyterhub-5.*.tgz"))
    if not newer:
        pytest.skip(f"a newer upstream chart is not beside {upstream_chart}")
    root = make_fleet(tmp_path)
    put_chart(root, upstream_chart)
    hub = root / "hub-charts" / UPSTREAM
    hub.mkdir()
    dependency = {
        "name": "jupyterhub",
        "version": version_of(upstream_chart),
        "repository": "file://../../charts/upstream/jupyterhub",
    }
    chart = {"apiVersion": "v2", "name": UPSTREAM, "version": "0.1.0", "dependencies": [dependency]}
    (hub / "Chart.yaml").write_text(json.dumps(chart))
    (hub / "hub.yaml").write_text("stage: staging\nimage: earth\n")
    (hub / "people.yaml").write_text("admins: [teacher]\nallowed: [student, grace-hopper]\n")
    shared = {"storage": {"type": "static", "static": {"pvcName": "homes", "subPath": "homes/{username}"}}}
    old_names = {"config": {"KubeSpawner": {"slug_scheme": "escape"}}}
    base = parse_yaml(UPSTREAM_VALUES, "values.yaml").value["jupyterhub"]
    values = merge(base, {"singleuser": shared})
    put_values(root, merge(values, {"hub": old_names}), UPSTREAM)
    await process.run([cluster.helm, "dependency", "update", hub])
    operator = Operator(root, cluster, UPSTREAM)
    try:
        await operator.deploy()
        await cluster.run("apply", "-n", UPSTREAM, "-f", "-", stdin=claim("homes"))
        put_chart(root, newer[-1])
        put_values(root, values, UPSTREAM)
        ended = await operator.rehearse("--names", version=version_of(newer[-1]))
        assert ended.code == 20
        assert "homes/homes/grace-2dhopper → homes/homes/grace-hopper" in ended.text
        assert "2 of 3 stay where they are, 1 would be others" in ended.text
        assert "hub.config.KubeSpawner.slug_scheme: escape" in ended.text
        put_values(root, merge(values, {"hub": old_names}), UPSTREAM)
        ended = await operator.rehearse("--with-server", version=version_of(newer[-1]))
        assert ended.code == 0
        assert "a probe person got one in" in ended.text
    finally:
        await forget(cluster, UPSTREAM)


def put_chart(root: Path, archive: Path) -> None:
    shutil.rmtree(root / "charts" / "upstream", ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(root / "charts" / "upstream")  # noqa: S202 - the upstream chart


def version_of(archive: Path) -> str:
    return archive.name.removeprefix("jupyterhub-").removesuffix(".tgz")
