"""The rules of hubops check: each finds its fault and nothing else, and what it finds is gone with it."""

import asyncio
import shutil
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from fast import test_check_render
from hubops.cli.in_git import read_in_git
from hubops.desired.model import Findings, InGit
from hubops.desired.problems import find_problems
from hubops.desired.rules.registry import REGISTRY, Registry

PROJECT = Path(__file__).parents[2]
UNREADABLE = Path(__file__).parent / "repositories"
FAULTS = Path(__file__).parent / "faults"
VALID = FAULTS / "valid"


# What went wrong in repositories of hubs that were studied, as far as files show it, and the faults that are like it.
INCIDENTS = {
    "a tag of digits became a number, one with an e became another": ["tag-of-digits", "tag-like-an-exponent"],
    "a tag was never filled in": [
        "tag-that-was-never-filled-in", "tag-set-on-deployment", "tag-in-another-file-than-its-name",
        "tag-of-a-profile-that-was-never-filled-in",
    ],
    "a hub asked for an image whose source was deleted": ["image-whose-source-was-deleted"],
    "a hub image that nobody builds": ["hub-image-that-nobody-builds", "named-image-that-nobody-builds"],
    "users, storage size and a hook were edited in files that were not read any more": [
        "values-in-a-file-that-nobody-reads", "values-in-a-directory-beside", "values-with-another-ending", "key-in-the-wrong-place",
    ],
    "a postStart hook blocked servers, a dozen times": [
        "hook-that-may-fail", "hook-whose-script-may-fail", "hook-in-a-profile", "hook-that-stops-at-the-first-error",
        "hook-with-errexit-by-its-name", "hook-that-exits", "hook-that-may-wait-for-ever",
    ],
    "a hook was to fail gracefully, with || and no shell": ["hook-with-an-operator-and-no-shell"],
    # Of "pinned wrongly" a tag that is missing or moves. One that exists and is the wrong one, or that no registry
    # has, looks like any other: no file tells, and `build --update-bases` asks the registry.
    "the base image was pinned wrongly, or not at all": ["base-without-a-tag", "base-with-a-moving-tag"],
    "the name of the cluster was wrong": ["unknown-cluster"],
    "the namespace was that of another hub": ["two-hubs-in-one-namespace"],
    "a timeout had no unit, or one too many": ["timeout-with-a-unit"],
    "one of three places was missed": ["unknown-prover", "values-of-no-cluster", "unknown-stage"],
    "secrets were committed in clear": [
        "secrets-in-clear", "secrets-committed-before-git-crypt", "secret-in-values-mended-since", "password-in-a-text",
    ],
    "the attributes file was misnamed, and encrypted nothing": ["attributes-file-with-a-slip"],
    "an annotation had a prefix that no controller read": ["annotation-with-a-retired-prefix"],
    # Of that incident (kube-lego stopped to renew) the part that files show: annotations that today's cert-manager
    # does not read. Whether a certificate is renewed only the cluster can say.
    "certificates were not renewed, and nothing said so": ["annotation-of-an-old-cert-manager"],
    "the list of users was badly indented": ["people-with-wrong-indentation", "key-with-wrong-indentation"],
    "users were listed twice": [
        "person-twice", "person-twice-in-other-letters", "person-twice-in-values", "person-twice-in-a-logins-own-list",
    ],
    "the chart's name was copied from another hub": ["chart-name-copied"],
    "callback, base URL or metrics path were those of another hub": [
        "callback-of-another-hub", "path-of-another-hub", "metrics-of-another-hub",
    ],
    "a bound without quotes was a redirection": ["bound-without-quotes"],
    "images ended as root": ["image-that-ends-as-root", "image-whose-target-is-root"],
    "URLs in builds moved": ["url-that-moves", "script-from-a-url", "url-without-a-checksum", "package-of-no-commit"],
    # What the validation of a large fleet did not see.
    "of a cluster only the first hub was validated, of a chart's schema only one of 95": ["fault-in-the-last-hub"],
    "who may log in was judged file by file, not merged": [
        "dummy-authentication-of-a-layer-below", "everybody-by-two-files",
    ],
    "the values of secrets were not validated": ["key-of-secrets-with-a-slip", "secret-of-another-type"],
    "nobody looked whether an image exists": ["image-of-a-profile-that-nobody-builds", "unknown-image"],
    "domains were not unique": ["two-hubs-on-one-address", "two-hubs-on-one-address-in-other-letters"],
    "files lay around that no hub listed": ["secrets-of-no-hub", "values-of-no-stage", "hub-as-a-file"],
    "names and namespaces followed no rule": ["hub-with-a-capital", "namespace-with-a-dot", "namespace-of-the-cluster"],
    "charts were stale": ["lock-of-another-version", "chart-of-another-version", "lock-missing"],
}  # fmt: skip
# The same, where only what helm renders shows it: cases of test_check_render.py.
RENDERED = {
    "manifests were not judged by the API": [
        "quantity",
        "field-with-a-slip",
        "label",
        "twice",
        "version-from-a-value",
    ],
    "kinds of custom resources were not looked at": ["in-a-custom-definition", "kind-with-a-slip"],
    "versions of the API were gone after an upgrade": ["removed", "not-yet", "deprecated"],
    "helm found what no check did": ["no-value", "no-yaml", "fail"],
}


@dataclass(frozen=True)
class Expected:
    """What a fault's `expected` says: lines of rule and place, and below one, indented, parts of its text."""

    found: frozenset[tuple[str, str]]
    parts: tuple[tuple[str, str], ...]


def read_expected(fault: Path) -> Expected:
    found: list[tuple[str, str]] = []
    parts: list[tuple[str, str]] = []
    for line in (fault / "expected").read_text().splitlines():
        if line.startswith(" "):
            parts.append((found[-1][0], line.strip()))
        else:
            rule, place = line.split(" ", 1)
            found.append((rule, place))
    return Expected(frozenset(found), tuple(parts))


def lay(fault: Path, root: Path) -> InGit:
    """The valid repository with a fault over it; gives what git has."""
    shutil.copytree(VALID, root, dirs_exist_ok=True)
    for name in ("Chart.yaml", "values.yaml", "values.schema.json"):
        (root / "charts/jupyterhub").mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "charts/jupyterhub" / name, root / "charts/jupyterhub")
    if (fault / "committed").exists():
        shutil.copytree(fault / "committed", root, dirs_exist_ok=True)
        commit(root)
    beside = shutil.ignore_patterns("committed", "expected", "remove")
    shutil.copytree(fault, root, dirs_exist_ok=True, ignore=beside)
    for name in (fault / "remove").read_text().splitlines() if (fault / "remove").exists() else ():
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()
    return asyncio.run(read_in_git(root))


def commit(root: Path) -> None:
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)


def seen(findings: Findings) -> set[tuple[str, str]]:
    return {(problem.rule, problem.where) for problem in findings.problems}


def without(name: str) -> Registry:
    groups = {each.name: getattr(REGISTRY, each.name) for each in fields(REGISTRY)}
    return Registry(**{key: tuple(r for r in rules if r.name != name) for key, rules in groups.items()})


def faults(directory: Path) -> list[Path]:
    return [path for path in sorted(directory.iterdir()) if (path / "expected").exists()]


def test_the_valid_repository_has_no_fault(tmp_path: Path) -> None:
    assert find_problems(tmp_path, (), lay(VALID, tmp_path)).problems == ()


@pytest.mark.parametrize("fault", faults(FAULTS), ids=lambda path: path.name)
def test_each_fault_is_found_by_its_rule_and_by_no_other(fault: Path, tmp_path: Path) -> None:
    in_git, expected = lay(fault, tmp_path), read_expected(fault)
    findings = find_problems(tmp_path, (), in_git)
    assert seen(findings) == expected.found
    for rule, part in expected.parts:
        assert any(part in str(each.error()) for each in findings.problems if each.rule == rule), part
    assert "canary" not in str(findings)
    for name in {rule for rule, _ in expected.found}:
        left = seen(find_problems(tmp_path, (), in_git, without(name)))
        assert left == {each for each in expected.found if each[0] != name}


def test_first_passwords_are_for_those_who_are_named(tmp_path: Path) -> None:
    lay(FAULTS / "first-password-of-anybody", tmp_path)
    (tmp_path / "hub-charts/course/people.yaml").write_text("allowed: [ada]\n")
    assert find_problems(tmp_path).problems == ()


# The others are told without a place in files, or by no rule: there is no repository.
WITH_RULE = [fault for fault in faults(UNREADABLE) if (fault / "rule").exists()]


@pytest.mark.parametrize("fault", WITH_RULE, ids=lambda path: path.name)
def test_what_cannot_be_read_has_a_rule_too(fault: Path, tmp_path: Path) -> None:
    """Laid over a repository that is not valid otherwise: only whether the rule's own findings come and go."""
    shutil.copytree(UNREADABLE / "good", tmp_path, dirs_exist_ok=True)
    before = find_problems(tmp_path).problems
    shutil.copytree(fault, tmp_path, dirs_exist_ok=True)
    rule = (fault / "rule").read_text().strip()
    parts = (fault / "expected").read_text().splitlines()

    def found(registry: Registry) -> list[str]:
        new = (each for each in find_problems(tmp_path, registry=registry).problems if each not in before)
        return [each.rule for each in new if all(part in str(each.error()) for part in parts)]

    assert rule in found(REGISTRY)
    assert rule not in found(without(rule))


def test_each_rule_has_a_section_in_the_documentation() -> None:
    """What it is about, in the same words; why; and how to mend it."""
    page = (PROJECT / "docs/check.md").read_text()
    sections = {text.split("\n", 1)[0]: text.split("\n\n") for text in page.split("\n### ")[1:]}
    assert {*sections} == {*REGISTRY.by_name}
    for name, (_, about, why, mend, *_) in sections.items():
        assert " ".join(about.split()) == REGISTRY.by_name[name].about
        assert why
        assert mend.startswith("Mend: ")


def test_each_incident_that_files_show_has_a_fault() -> None:
    named = {name for names in INCIDENTS.values() for name in names}
    assert named <= {fault.name for fault in [*faults(FAULTS), *faults(UNREADABLE)]}
    assert {name for names in RENDERED.values() for name in names} <= {*test_check_render.FAULTS}


def test_each_rule_has_a_fault() -> None:
    named = {rule for fault in faults(FAULTS) for rule, _ in read_expected(fault).found}
    named |= {(fault / "rule").read_text().strip() for fault in WITH_RULE}
    named |= {rule.name for rule in REGISTRY.of_manifests}  # test_check_render.py has theirs
    assert named == {*REGISTRY.by_name}
    assert sum(len(getattr(REGISTRY, each.name)) for each in fields(REGISTRY)) == len(REGISTRY.by_name)
    assert len(faults(FAULTS)) + len(WITH_RULE) >= 60
