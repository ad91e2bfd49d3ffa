""".sops.yaml: who can open which file, in every form that sops takes."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubops.errors import RefusedError, RepositoryError, UsageError
from hubops.scaffold.sops_config import add_person, names_of, new_config, recipients_for, remove_person

ADA, BOB, EVE = "age1ada", "age1bob", "ssh-ed25519 AAAAeve eve@campus"
ARN = "arn:aws:kms:eu-west-1:1:key/a"
FILE, OTHER = "secrets/course.yaml", "secrets/other.yaml"
FORMS: dict[str, dict[str, Any]] = {
    "one": {"age": ADA},
    "with commas": {"age": f"{ADA}, {BOB}"},
    "a list": {"age": [ADA, BOB]},
    "several kinds": {"age": ADA, "kms": ARN, "pgp": "A" * 40},
    "a group": {"key_groups": [{"age": [ADA], "kms": [{"arn": ARN}]}]},
}


def config(**rule: Any) -> dict[str, Any]:
    return {"people": {"ada": ADA}, "creation_rules": [{"path_regex": "^secrets/", **deepcopy(rule)}]}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "recipient", [EVE, ARN.replace("key/a", "key/b"), "B" * 40], ids=["age", "cloud", "PGP"]
)
def test_who_is_added_and_taken_out_again_changes_nobody_else(form: str, recipient: str) -> None:
    found = config(**FORMS[form])
    before = recipients_for(found, FILE)
    add_person(found, "eve", recipient)
    assert {*recipients_for(found, FILE)} == {*before, recipient}
    assert names_of(found)[recipient] == "eve"
    assert remove_person(found, "eve") == [recipient]
    assert recipients_for(found, FILE) == before
    assert names_of(found) == {ADA: "ada"}


def test_new_is_for_all_secrets() -> None:
    assert recipients_for(new_config("ada", ADA), FILE) == [ADA]
    assert recipients_for(new_config("ada", ADA), "people/x.yaml") == []


def test_for_one_file_there_is_a_rule_of_its_own() -> None:
    found = config(age=ADA, encrypted_regex="^x$")
    add_person(found, "bob", BOB, [FILE])
    assert recipients_for(found, FILE) == [ADA, BOB]
    assert recipients_for(found, OTHER) == [ADA]
    assert recipients_for(found, FILE.replace(".", "x")) == [ADA]
    assert found["creation_rules"][0]["encrypted_regex"] == "^x$"
    add_person(found, "eve", EVE, [FILE])
    assert len(found["creation_rules"]) == 2
    add_person(found, "bob", BOB)
    assert recipients_for(found, OTHER) == [ADA, BOB]


def test_a_person_may_have_several_keys_and_all_go() -> None:
    found = config(age=ADA)
    add_person(found, "bob", BOB)
    add_person(found, "bob", "A" * 40)
    assert found["people"]["bob"] == [BOB, "A" * 40]
    assert remove_person(found, "bob") == [BOB, "A" * 40]
    assert recipients_for(found, FILE) == [ADA]


def test_who_has_no_name_is_taken_out_by_the_recipient() -> None:
    found = config(age=[ADA, BOB])
    assert remove_person(found, BOB) == [BOB]
    assert recipients_for(found, FILE) == [ADA]


REFUSED: dict[str, tuple[dict[str, Any], str, str, type[Exception]]] = {
    "two groups": ({"key_groups": [{"age": [ADA]}, {"age": [BOB]}]}, EVE, "only a person", RepositoryError),
    "no recipient": ({"age": ADA}, "age", "is no recipient", UsageError),
    "somebody else's": ({"age": ADA}, ADA, "already ada's", UsageError),
    "a private key": ({"age": ADA}, "age-secret-key-1qqq", "private key", UsageError),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "recipient", "what", "kind"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_added_is_said(
    rule: dict[str, Any], recipient: str, what: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=what):
        add_person(config(**rule), "eve", recipient)


@pytest.mark.parametrize("form", ["one", "a group"])
def test_nobody_leaves_a_file_to_nobody(form: str) -> None:
    rule: dict[str, Any] = {"age": ADA} if form == "one" else {"key_groups": [{"age": [ADA]}]}
    with pytest.raises(RefusedError, match="nobody could open"):
        remove_person(config(**rule), "ada")


@pytest.mark.parametrize(
    "text",
    [{"creation_rules": 1}, {"creation_rules": [1]}, {"people": [1], "creation_rules": [{"age": ADA}]}],
)
def test_what_is_no_such_file_is_refused(text: dict[str, Any]) -> None:
    with pytest.raises(RepositoryError):
        add_person(text, "eve", EVE)


def test_a_wrong_regex_is_named() -> None:
    with pytest.raises(RepositoryError, match="is no path_regex"):
        recipients_for({"creation_rules": [{"path_regex": "(", "age": ADA}]}, FILE)


AGES = st.from_regex(r"age1[0-9a-z]{3,8}", fullmatch=True)


@given(
    st.lists(AGES, min_size=1, max_size=5, unique=True),
    st.sets(st.sampled_from([FILE, OTHER])),
    st.booleans(),
)
def test_of_any_people_only_who_is_named_comes_and_goes(
    names: list[str],
    files: set[str],
    as_list: bool,
) -> None:
    found = config(age=list(names) if as_list else ",".join(names))
    add_person(found, "new", "age1000new", files)
    for file in (FILE, OTHER):
        has = not files or file in files
        assert recipients_for(found, file) == [*names, *(["age1000new"] if has else [])]
    remove_person(found, "new")
    assert all(recipients_for(found, file) == names for file in (FILE, OTHER))
