"""Rules that reading keeps: a deploy reads in the same way, and is refused by the first that is broken."""

from collections.abc import Iterator

from hubops.desired.repository import Reading
from hubops.desired.rules.model import Rule, only
from hubops.errors import RepositoryError


def _errors(reading: Reading) -> Iterator[RepositoryError]:
    return iter(reading.errors)


def _rule(name: str, about: str) -> Rule[Reading]:
    return Rule(name, about, only(name, _errors), may_be_ignored=False)


RULES = (
    _rule("unreadable-yaml", "A file is not YAML as Helm reads it, or has a key twice."),
    _rule("wrong-type", "A file, or a key of one of our own files, holds another type."),
    _rule("unknown-key", "One of our own files has a key that hubops does not know."),
    _rule("unknown-name", "hub.yaml names a stage, cluster, image or hub that there is not."),
    _rule("prover-not-staging", "A hub is proved by one that is not a staging hub."),
    _rule(
        "prover-elsewhere",
        "A hub is proved by one on the local cluster and is not there, or the other way round.",
    ),
    _rule("hub-name", "A hub, release or namespace has a name that Kubernetes does not take."),
    _rule("hub-without-chart", "A directory in hub-charts/ has no Chart.yaml."),
    _rule("wrong-dependency", "A dependency in Chart.yaml is none that helm could read."),
    _rule("person-name", "What stands for a person or a team in people.yaml is not a text."),
    _rule("image-name", "The pattern of the images' names does not have {name} once, or has other braces."),
    _rule("image-name-twice", "Two directories build images of one name."),
    _rule("image-cycle", "An image is made from itself, by way of others or not."),
    _rule("image-context", "A directory that image.yaml names is not in the repository."),
    _rule("base-digest", "What stands in bases.lock is not a digest."),
    _rule("incomplete-cluster", "A cluster is not exactly one of local, kubeconfig-context and gke."),
)
