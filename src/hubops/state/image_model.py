"""The images of a registry as they are, and who needs which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

# Since when nobody needs an image is written down here, in namespace hubops of the first cluster.
MARKS = "/api/v1/namespaces/hubops/configmaps/images-unneeded"


@dataclass(frozen=True)
class Need:
    """Somebody needs an image: REPOSITORY[:TAG][@DIGEST], as it is written. `reason` says who, for people."""

    image: str
    reason: str


@dataclass(frozen=True)
class Stored:
    """A repository of a registry. `tags` have a digest each; `children` are the manifests of each index in it."""

    repository: str
    tags: Mapping[str, str]
    children: Mapping[str, Sequence[str]] = field(default_factory=dict)


# Since when nobody needs an image, by REPOSITORY@DIGEST.
Marks = Mapping[str, datetime]
