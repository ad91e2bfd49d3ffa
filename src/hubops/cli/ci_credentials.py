"""What CI systems can only keep as text, where programs look for files: the cluster's and the registry's login."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from hubops.clients.memory import memory_directory

KUBECONFIG = "HUBOPS_KUBECONFIG"
DOCKER = "DOCKER_AUTH_CONFIG"
SOPS = "SOPS_AGE_KEY"


def drop_credentials(environment: MutableMapping[str, str]) -> None:
    """Take them out of the environment, for a run that needs none."""
    for name in (KUBECONFIG, DOCKER, SOPS):
        environment.pop(name, None)


@contextmanager
def unpacked_credentials(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Take the texts out of the environment, and point KUBECONFIG and DOCKER_CONFIG at private files in memory.

    The files go at the end. Without the variables nothing is changed.
    """
    if not environment.get(SOPS):
        # A secret that a forge does not have comes as an empty text; sops would take it for a broken key.
        environment.pop(SOPS, None)
    kubeconfig, docker = environment.pop(KUBECONFIG, ""), environment.pop(DOCKER, "")
    if not (kubeconfig or docker):
        yield
        return
    with memory_directory("hubops-ci-") as directory:
        if kubeconfig:
            (directory / "kubeconfig").write_text(kubeconfig)
            environment["KUBECONFIG"] = str(directory / "kubeconfig")
        if docker:
            (directory / "config.json").write_text(docker)
            environment["DOCKER_CONFIG"] = str(directory)
        yield
