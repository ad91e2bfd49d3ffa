"""The texts of the CI files, with @NAME@ for what a repository decides; see ci_files.py."""

GITHUB = """\
# What a pull request and a merge do is in the two commands; this file says who may run them, and with what.
name: hubops

on:
  # Code from forks runs here, so without secrets and with a token that can only read.
  pull_request:
    branches: ["@BRANCH@"]
  push:
    branches: ["@BRANCH@"]

permissions:
  contents: read

jobs:
  pull-request:
    if: github.event_name == 'pull_request'
    # Always a hosted runner: thrown away afterwards, and in no network of yours.
    runs-on: ubuntu-latest
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          fetch-depth: 0
          persist-credentials: false
      - run: @COMMAND@ ci pull-request

  merge:
    if: github.event_name == 'push'
    runs-on: @RUNNER@
    # Keep the secrets in this environment, and let only the branch @BRANCH@ deploy to it.
    environment: production
    # One at a time, and a running deploy is never cancelled. GitHub keeps only the newest of the waiting
    # runs; that loses nothing, for a run deploys what the repository wants, not one commit's change.
    concurrency:
      group: hubops-merge
      cancel-in-progress: false
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          fetch-depth: 0
          persist-credentials: false
      - run: @COMMAND@ ci merge
        env:
          SOPS_AGE_KEY: ${{ secrets.SOPS_AGE_KEY }}
          HUBOPS_KUBECONFIG: ${{ secrets.HUBOPS_KUBECONFIG }}
          DOCKER_AUTH_CONFIG: ${{ secrets.DOCKER_AUTH_CONFIG }}
"""

TRAVIS = """\
# What a pull request and a merge do is in the two commands; Travis skips deploy on pull requests.
# Deploys one after another: Settings, Limit concurrent jobs, 1 (or: travis settings
# maximum_number_of_builds --set 1). Without it a second deploy of a hub waits for the first one's lease.
os: linux
dist: jammy
language: python
python: "3.12"
services: docker
git:
  depth: false
# What a pull request leaves in a cache, a merge must not read.
cache: false
branches:
  only: ["@BRANCH@"]
install: @INSTALL@
script: if [ "$TRAVIS_EVENT_TYPE" = pull_request ]; then @COMMAND@ ci pull-request; fi
deploy:
  provider: script
  script: @COMMAND@ ci merge
  on:
    branch: "@BRANCH@"
"""

GITLAB = """\
# What a merge request and a merge do is in the two commands; this file says who may run them, and with what.
# Building images needs a runner in privileged mode, as GitLab's hosted ones are.
default:
  image: python:3.13-bookworm
  before_script: @BEFORE@

variables:
  GIT_DEPTH: "0"

# Code from forks runs here. Its pipeline runs in the fork, and your variables, which are protected, are not there.
pull-request:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  script:
    - @COMMAND@ ci pull-request

merge:
  rules:
    - if: $CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "@BRANCH@"
  tags: @TAGS@
  environment: production
  # One at a time, and a running deploy is never cancelled by a newer pipeline.
  resource_group: hubops-merge
  interruptible: false
  script:
    - @COMMAND@ ci merge
"""
