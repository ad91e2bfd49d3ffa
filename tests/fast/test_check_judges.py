"""What rules take for a fault and what not, where a line is fine: commands of hooks, and Dockerfiles."""

import pytest

from hubops.desired.dockerfile import parse_dockerfile
from hubops.desired.dockerfile_sources import find_sources
from hubops.desired.rules.dockerfiles import is_unpinned, root_at_end, unpinned_url, unquoted_bound, up_to
from hubops.desired.rules.hooks import is_harmless, judge_hook

HARMLESS: list[list[str]] = [
    ["sh", "-c", "git pull || true"],
    ["/bin/bash", "-lc", "cd course && git pull || :"],
    ["bash", "-c", "timeout 20 git pull; exit 0"],
    ["sh", "-c", "git pull\ntrue\n"],
    ["sh", "-c", "git pull || echo 'no course today'"],
    ["sh", "-c", "(git pull && make) || true;"],
    ["sh", "-c", "git pull &"],
    ["sh", "-c", "(set -e; cd course || exit 1; git pull) || true"],
    ["sh", "-c", "cd course || exit 0; git pull # don't exit 1\ntrue # it's said"],
    ["sh", "-c", "exec > ~/log 2>&1; echo 'now; exit 1'; git pull || true"],
]
HARMFUL: list[list[str]] = [
    [],
    ["git", "pull"],
    ["git", "pull", "||", "true"],
    ["sh", "course.sh"],
    ["sh", "-c", "git pull"],
    ["sh", "-c", "git pull && true"],
    ["sh", "-c", "git pull || echo no && exit 1"],
    ["sh", "-ec", "mkdir x; git pull || true"],
    ["bash", "-c", "set -euo pipefail\nmkdir x\ngit pull || true"],
    ["sh", "-c", "true || git pull; false"],
    ["sh", "-c", "set -o errexit; mkdir x; true"],
    ["bash", "-c", "set -x -eu\nmkdir x\ntrue"],
    ["bash", "-c", "set -uo errexit; mkdir x; true"],
    ["sh", "-c", "cd x || exit 1; git pull || true"],
    ["sh", "-c", "if ! cd x; then exit; fi; git pull || true"],
    ["sh", "-c", "git pull; (set -e; mkdir x; true)"],
    ["sh", "-c", "exec gitpuller x; true"],
    ["sh", "-c", "case $A in a) exit 1;; esac; true"],
    ["sh", "-c", "git pull # || true"],
]
# By what the server may be kept waiting.
WAITING = {
    "git pull || true": "git",
    "cd course && git -C ~/a pull -q; true": "git",
    "mkdir x; if ! /usr/bin/curl -fsS https://a > b; then echo no; fi; true": "curl",
    "A=1 wget -q https://a || true": "wget",
    "(cd course; gitpuller https://a main course) || true": "gitpuller",
    # Kubernetes waits for whoever holds its outputs.
    "gitpuller https://a main course &": "gitpuller",
    "git pull > log 2>&1; sleep 9 > log 2>&1 &": "git",
    "timeout 9 git pull || git clone https://a || true": "git",
    "timeout 60 git pull || true": "",
    "timeout 60 \\\n  gitpuller https://a main course || true": "",
    "timeout 60 sh -c 'cd course; git pull' || true": "",
    "curl -fsS --max-time 20 https://a || true": "",
    "curl -sm 20 https://a || wget --timeout=9 https://a || true": "",
    "git config --global user.name ada; git status || true": "",
    "echo git pull; true # git pull": "",
    "(cd course; git pull) > ~/log 2>&1 &": "",
    "mkdir x; cd x && git pull &> ~/log &": "",
}


@pytest.mark.parametrize("command", HARMLESS, ids=str)
def test_a_hook_that_cannot_fail(command: list[str]) -> None:
    assert is_harmless(command)


@pytest.mark.parametrize("command", HARMFUL, ids=str)
def test_a_hook_that_can_fail(command: list[str]) -> None:
    assert not is_harmless(command)


@pytest.mark.parametrize("script", WAITING)
def test_a_hook_that_may_not_end(script: str) -> None:
    said = f"{WAITING[script]} may wait for ever for an answer, and the server with it"
    assert judge_hook(["sh", "-c", script]) == (said if WAITING[script] else "")


RAW = "https://raw.githubusercontent.com/a/b"
LOOKS = {
    "bound": unquoted_bound,
    "url": unpinned_url,
    "root": root_at_end,
}
LINES = {
    # What is found: line:column and the text there.
    "RUN pip install numpy>=2": {"bound": ["1:17 numpy>=2"]},
    "RUN pip install -q a[b]<3 'c>1' \"d>1\" && conda install -y e>=1": {
        "bound": ["1:20 a[b]<3", "1:59 e>=1"],
    },
    "RUN set -e; \\\n # a bound: don't>=1\n\n  pip install \\\n    numpy \\\n    scipy>1.4": {"bound": ["6:5 scipy>1.4"]},
    "RUN <<EOF\npip install numpy>=2\nEOF\nUSER 0": {"bound": ["2:13 numpy>=2"], "root": ["4:6 0"]},
    "RUN pip install numpy > /tmp/1.log 2>&1": {},
    "RUN pip install numpy\\>=2": {},
    'RUN ["pip", "install", "numpy>=2"]': {},
    "RUN echo a>2 && pip install b": {},
    "# FROM debian": {},
    "FROM debian:12\nUSER 1000": {},
    "FROM debian": {"base": ["1:6 debian"], "root": ["1:6 root"]},
    "FROM debian@sha256:00\nUSER a": {},
    "FROM localhost:5000/image": {"base": ["1:6 localhost:5000/image"]},
    "FROM --platform=linux/amd64 a:latest AS b\nFROM b": {"base": ["1:29 a:latest"]},
    "ARG V=1\nFROM a:${V}": {},
    "ARG V\nFROM a:$V": {},
    "FROM ${BASE:-a}": {"base": ["1:6 a"]},
    "FROM scratch\nCOPY --from=a/b:latest / /\nCOPY --from=tools / /": {"base": ["2:13 a/b:latest", "3:13 tools"]},
    "FROM ubuntu:24.04 AS a\nUSER 1000\nFROM a\nRUN true": {},
    "FROM ubuntu:24.04 AS a\nUSER 1000\nFROM a\nUSER root:root": {"root": ["4:6 root:root"]},
    "FROM docker.io/library/python:3.13": {"root": ["1:6 root"]},
    "FROM quay.io/jupyter/base-notebook:2026-01-05": {},
    "ADD https://example.org/a.tar /a": {"url": ["1:5 https://example.org/a.tar"]},
    "ADD --checksum=sha256:00 https://example.org/a.tar /a": {},
    "RUN curl https://example.org/v1.2/a.tar": {},
    "RUN curl https://example.org/latest/a.tar": {"url": ["1:10 https://example.org/latest/a.tar"]},
    "RUN pip install https://example.org/archive/master.zip": {"url": ["1:17 https://example.org/archive/master.zip"]},
    "RUN pip install git+https://example.org/a@v1": {},
    "RUN pip install git+https://example.org/a@main": {"url": ["1:17 git+https://example.org/a@main"]},
    "RUN git clone -b v1 https://example.org/a": {},
    "RUN git clone https://example.org/a && cd a && git checkout 0604373": {},
    "RUN git clone https://example.org/a": {"url": ["1:15 https://example.org/a"]},
    "RUN git clone git@example.org:a/b.git && true": {"url": ["1:15 git@example.org:a/b.git"]},
    "RUN git clone --depth 1 \\\n  https://example.org/a": {"url": ["2:3 https://example.org/a"]},
    "RUN git clone --depth 1 -b v1 git@example.org:a/b.git": {},
    "RUN pip install git+ssh://git@example.org/a": {"url": ["1:17 git+ssh://git@example.org/a"]},
    "RUN pip install git+ssh://git@example.org/a@main": {"url": ["1:17 git+ssh://git@example.org/a@main"]},
    "RUN pip install git+ssh://git@example.org/a@v1 git+https://user@example.org/a@0604373#egg=a": {},
    f"RUN curl -O {RAW}/gh-pages/a": {"url": [f"1:13 {RAW}/gh-pages/a"]},
    f"RUN curl -O {RAW}/refs/heads/v1/a": {"url": [f"1:13 {RAW}/refs/heads/v1/a"]},
    f"RUN curl -O {RAW}/0604373/a {RAW}/v1.2/a {RAW}/refs/tags/a/a": {},
    "RUN curl -fsSL https://example.org/setup_20.x | bash -": {"url": ["1:16 https://example.org/setup_20.x"]},
    "RUN curl -fsSL https://example.org/a \\\n | sudo -E /bin/bash -": {"url": ["1:16 https://example.org/a"]},
    "RUN bash <(wget -qO- https://example.org/a) && true": {"url": ["1:22 https://example.org/a"]},
    'RUN sh -c "$(curl https://example.org/a)"': {"url": ["1:19 https://example.org/a"]},
    "RUN curl https://example.org/latest/a | sh": {"url": ["1:10 https://example.org/latest/a"]},
    "RUN curl https://example.org/1.2/a | sh && curl https://example.org/a | tar x": {},
    "RUN pip install \\\n  # bounds\n\n  numpy>=2 \\\n  && true": {"bound": ["4:3 numpy>=2"]},
    "RUN <<EOF\npip install a\n# b\necho a>=2\nEOF": {},
    "FROM quay.io/condaforge/mambaforge:24": {"root": ["1:6 root"]},
    "FROM nvcr.io/nvidia/cuda:12.4.1-base": {"root": ["1:6 root"]},
    "FROM localhost:5000/library/debian@sha256:00": {"root": ["1:6 root"]},
    "FROM registry.example.org/school/python:1": {},
}  # fmt: skip


@pytest.mark.parametrize("text", LINES)
def test_what_is_found_in_a_dockerfile(text: str) -> None:
    instructions = parse_dockerfile(text)
    found = {
        name: [f"{each.place(offset)} {what}" for each, offset, what in look(instructions)]
        for name, look in LOOKS.items()
    }
    bases = find_sources(instructions, {})
    found["base"] = [f"{each.place} {each.name}" for each in bases if is_unpinned(each.name)]
    assert {name: what for name, what in found.items() if what} == LINES[text]


def test_a_build_of_one_stage_sees_no_later_one() -> None:
    instructions = parse_dockerfile("FROM a AS b\nUSER 1\nFROM b as C\nUSER 0\nFROM b\nUSER 1\n")
    lines = {
        target: [each.line for each in up_to(target, instructions)]
        for target in ("b", "1", "c", "2", "", "as")
    }
    whole = [1, 2, 3, 4, 5, 6]
    assert lines == {"b": [1, 2], "1": whole[:4], "c": whole[:4], "2": whole, "": whole, "as": whole}
