"""Whose fault a failed build is, told from BuildKit's own words (recorded from version 0.25)."""

import pytest

from hubops.clients.build_log import BuildLog
from hubops.errors import BuildError, HubopsError, MachineError, OutOfReachError, RegistryError

RUN_FAILED = 'error: failed to solve: process "/bin/sh -c x" did not complete successfully: exit code: {}'


def failure(*lines: str) -> HubopsError:
    log = BuildLog()
    for line in lines:
        log.add(line)
    return log.failure("earth", "user-images/earth/Dockerfile")


def test_a_failing_command_shows_its_line_and_its_last_twenty_lines() -> None:
    error = failure(
        "#4 [1/2] FROM debian",
        "#4 0.100 not of this step",
        *(f"#5 0.{number:03} line {number}" for number in range(40)),
        '#5 ERROR: process "/bin/sh -c x" did not complete successfully: exit code: 3',
        "Dockerfile:7",
        *(f"  {number:2} | >>>   a long command" for number in range(30)),
        RUN_FAILED.format(3),
    )
    assert type(error) is BuildError
    assert error.where == "user-images/earth/Dockerfile:7"
    lines = error.why.splitlines()
    assert lines[:2] == ["line 20", "line 21"]
    assert lines[-2:] == ["line 39", "the command ended with exit code 3"]


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        ("dockerfile parse error on line 2: unknown instruction: RUNN", BuildError, "Dockerfile"),
        (
            "x: failed to resolve source metadata for x: failed to do request: Head: connection refused",
            OutOfReachError,
            "base image",
        ),
        (
            "failed to push r/x:y: unexpected status from POST request: 403 Forbidden",
            RegistryError,
            "docker login",
        ),
        ("failed to push r/x:y: push access denied, repository does not exist", RegistryError, "refuses"),
        ("failed to push r/x:y: failed to do request: connection refused", OutOfReachError, "reached"),
        ("failed to push r:1/x:y: unknown: blob upload invalid", OutOfReachError, "disk is full"),
        (
            "failed to push r/x:y: unexpected status from PUT request: 507 Insufficient Storage",
            OutOfReachError,
            "disk",
        ),
        (
            "failed to fetch oauth token: unexpected status from POST request to http://r/token: 403 Forbidden",
            RegistryError,
            "docker login",
        ),
        (
            "failed to fetch anonymous token: unexpected status from GET request to http://r/token: 503 Away",
            OutOfReachError,
            "token service",
        ),
        ('failed to fetch oauth token: Post "http://r/token": EOF', OutOfReachError, "token service"),
        ("write /var/lib/x: no space left on device", MachineError, "disk is full"),
        (
            'listing workers for Build: failed to list workers: Unavailable: connection error: desc = "x"',
            MachineError,
            "BuildKit",
        ),
    ],
)
def test_each_cause_has_its_class_and_word(text: str, kind: type[HubopsError], word: str) -> None:
    prefix = "error: " if text.startswith("listing") else "error: failed to solve: "
    error = failure(prefix + text)
    assert type(error) is kind
    assert word in str(error)


@pytest.mark.parametrize(
    "text",
    [
        # Docker 20.10's own builder, and a BuildKit without the entitlement; recorded from buildx 0.29.
        "rpc error: code = Unknown desc = unsupported frontend capability moby.buildkit.frontend.contexts",
        "granting entitlement network.host is not allowed by build daemon configuration",
    ],
)
def test_a_builder_of_buildx_that_cannot_do_it_is_told_with_one_that_can(text: str) -> None:
    error = failure("ERROR: failed to build: failed to solve: " + text)
    assert type(error) is MachineError
    assert "docker buildx create" in error.hint


def test_a_full_disk_inside_a_step_is_named() -> None:
    error = failure(
        "#5 1.0 dpkg: error: cannot write: No space left on device",
        "#5 ERROR: process did not complete successfully: exit code: 100",
        RUN_FAILED.format(100),
    )
    assert type(error) is MachineError


def test_a_killed_step_points_to_the_memory() -> None:
    assert "memory" in failure("#5 ERROR: x", RUN_FAILED.format(137)).hint


def test_words_in_the_output_of_a_step_do_not_decide_the_class() -> None:
    error = failure("#5 1.0 failed to push to my server", "#5 ERROR: x", RUN_FAILED.format(1))
    assert type(error) is BuildError


def test_half_an_image_that_an_earlier_build_left_is_known_and_forgotten() -> None:
    lines: list[str] = []
    log = BuildLog(lines.append)
    log.add("#5 ERROR: failed to copy: unsupported offset")
    assert not log.is_cut
    log.add("error: failed to solve: failed to compute cache key: failed to copy: unsupported offset")
    assert log.is_cut
    log.begin_again()
    assert not log.is_cut
    log.add("error: failed to solve: no such file")
    assert log.failure("a", "Dockerfile").why == "no such file"
    assert len(lines) == 3
