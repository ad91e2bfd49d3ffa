"""Which secrets a hub needs, and what becomes of each when it gets a new value."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubops.desired.model import Cluster, Hub
from hubops.desired.schema import dotted
from hubops.desired.secret_keys import CRYPT_KEYS, EFFECTS, find_missing
from hubops.desired.values import leaves
from hubops.desired.yaml import Document
from hubops.errors import UsageError
from hubops.local.secrets import generate
from hubops.scaffold.rotation import changed_keys, changes, choose, left_to_do

EMBEDDED = {"dependencies": [{"name": "jupyterhub", "repository": "file://../../charts/jupyterhub"}]}
TOKEN = {"services": {"hubops": {"apiToken": "t"}}}


def hub(config: Any = None, chart: Any = None, **more: Any) -> Hub:
    values = {"jupyterhub": {"hub": {"config": config or {}, **more}}}
    cluster = Cluster("campus", context="campus")
    return Hub(
        "course", Path("course"), "staging", cluster, "", "course", "course", "/", "jupyterhub", values,
        chart=Document("Chart.yaml", chart or {"dependencies": []}, {}),
    )  # fmt: skip


def missing(found: Hub, secrets: Any) -> list[str]:
    return [dotted(path[1:]) for path in find_missing(found, {"jupyterhub": {"hub": secrets}})]


CLASSES = {
    "github": ["config.GitHubOAuthenticator.client_id", "config.GitHubOAuthenticator.client_secret"],
    "local-github": ["config.GitHubOAuthenticator.client_id", "config.GitHubOAuthenticator.client_secret"],
    "oauthenticator.google.GoogleOAuthenticator": ["config.GoogleOAuthenticator.client_id", "config.GoogleOAuthenticator.client_secret"],
    "ltiauthenticator.lti13.auth.LTI13Authenticator": ["config.LTI13Authenticator.client_id"],
    "ltiauthenticator.lti11.auth.LTI11Authenticator": ["config.LTI11Authenticator.consumers"],
    "hmacauthenticator.HMACAuthenticator": ["config.HMACAuthenticator.secret_key"],
    "shared-password": ["config.SharedPasswordAuthenticator.user_password", "config.SharedPasswordAuthenticator.admin_password"],
    "native": [],
    None: [],
}  # fmt: skip


@pytest.mark.parametrize(("name", "needed"), CLASSES.items())
def test_how_people_log_in_says_what_is_needed(name: str | None, needed: list[str]) -> None:
    assert missing(hub({"JupyterHub": {"authenticator_class": name}}), TOKEN) == needed


GIVEN: dict[str, tuple[Any, Any]] = {
    "in the class": ({"GitHubOAuthenticator": {"client_id": "i", "client_secret": "s"}}, {}),
    "in its base": ({"OAuthenticator": {"client_id": "i", "client_secret": "s"}}, {}),
    "by a script": (
        {},
        {
            "extraConfig": {
                "x": "c.GitHubOAuthenticator.client_id = c.GitHubOAuthenticator.client_secret = read()"
            }
        },
    ),
    "as variables": ({}, {"extraEnv": {"GITHUB_CLIENT_ID": "i", "GITHUB_CLIENT_SECRET": {"valueFrom": {}}}}),
}


@pytest.mark.parametrize(("config", "more"), GIVEN.values(), ids=GIVEN.keys())
def test_where_the_provider_s_secrets_are_is_left_to_the_operator(config: Any, more: Any) -> None:
    login = {"JupyterHub": {"authenticator_class": "github"}}
    assert missing(hub({**login, **config}, **more), TOKEN) == []
    assert missing(hub(login), {**TOKEN, "config": config, **more}) == []


def test_the_embedded_chart_generates_nothing() -> None:
    assert [dotted(path) for path in find_missing(hub(chart=EMBEDDED), {})] == [
        "hub.services.hubops.apiToken",
        "proxy.secretToken",
        "hub.cookieSecret",
        "hub.config.CryptKeeper.keys",
    ]
    assert find_missing(hub(chart=EMBEDDED), {"jupyterhub": generate()}) == []


def test_all_that_is_generated_has_an_effect() -> None:
    generated = [path for path, _ in leaves(generate())]
    assert {tuple(part for part in path if isinstance(part, str)) for path in generated} == {*EFFECTS}


def test_people_s_passwords_change_only_by_name() -> None:
    values = {"jupyterhub": generate()}
    assert len(choose(hub(), values, [])) == 4
    (path,) = choose(hub(), values, ["jupyterhub.hub.config.SharedPasswordAuthenticator.user_password"])
    assert path[-1] == "user_password"
    with pytest.raises(UsageError, match=r"does not generate hub\.cookie"):
        choose(hub(), values, ["hub.cookie"])


KEYS: dict[str, tuple[Any, list[tuple[Any, str | None]]]] = {
    "none": (None, [(0, "new")]),
    "one": (["a"], [(0, "new"), (1, "a")]),
    "three": (["a", "b", "c"], [(0, "new"), (1, "a"), (2, None)]),
    "a text": ("a;b", [("keys", "new;a")]),
}


@pytest.mark.parametrize(("before", "expected"), KEYS.values(), ids=KEYS.keys())
def test_the_crypt_key_before_stays_second(before: Any, expected: list[tuple[Any, str | None]]) -> None:
    values = {"jupyterhub": {"hub": {"config": {"CryptKeeper": {"keys": before}}}}}
    fresh = {"hub": {"config": {"CryptKeeper": {"keys": ["new"]}}}}
    found = changes(hub(), values, fresh, [CRYPT_KEYS])
    assert [(each.path[-1], each.value and each.value.reveal()) for each in found] == expected


def test_what_is_left_to_do_says_how() -> None:
    values = {
        "hub": {"cookieSecret": "a", "db": {"password": "b"}, "x": "c", "client_id": "d", "n": 1, "e": ""}
    }
    left = left_to_do(values, [])
    assert [line.split(":")[0] for line in left] == ["hub.cookieSecret", "hub.db.password", "hub.x"]
    assert "where it is checked" in left[1]


SCALARS = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none())
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(TREES, TREES)
def test_changed_keys_tell_no_value_and_are_complete(before: Any, after: Any) -> None:
    found = changed_keys(before, after)
    assert (found == []) == (dict(leaves(before)) == dict(leaves(after)))
    assert len(found) <= len(dict(leaves(before))) + len(dict(leaves(after)))
    assert all(line[:2] in {"+ ", "- ", "~ "} for line in found)
