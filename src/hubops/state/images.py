"""Reading which images a registry has, and which of them a cluster needs. Whatever cannot be read stops it."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from hubops.answer import Absent, Present, Unknown
from hubops.clients.kube import Json, Kube
from hubops.clients.registry import Registry
from hubops.errors import OutOfReachError, RefusedError
from hubops.state.image_model import MARKS, Marks, Need, Stored

_AT_ONCE = 8
_WORKLOADS = ("apps/v1/deployments", "apps/v1/statefulsets", "apps/v1/daemonsets", "batch/v1/cronjobs")
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


async def read_stored(
    registry: Registry, repositories: Iterable[str], digests: Iterable[str]
) -> list[Stored]:
    """The repositories that are there, with their tags, and what is in each index among these and `digests`.

    Raises:
        OutOfReachError: the registry cannot tell.
    """
    limit, wanted = asyncio.Semaphore(_AT_ONCE), sorted({*digests})

    async def read(repository: str) -> Stored | None:
        async with limit:
            tags = await registry.read_tags(repository)
            if isinstance(tags, Absent):
                return None
            if isinstance(tags, Unknown):
                raise _cannot_tell(f"the tags of {repository}", tags)
            children = await _read_children(registry, repository, [*tags.value.values(), *wanted])
            return Stored(repository, tags.value, children)

    found = await asyncio.gather(*map(read, sorted({*repositories})))
    return [stored for stored in found if stored]


async def _read_children(registry: Registry, repository: str, digests: Iterable[str]) -> dict[str, list[str]]:
    """The manifests in each of the indexes, and in the indexes in those."""
    found: dict[str, list[str]] = {}
    left = {*digests}
    while left:
        batch = sorted(left)[:_AT_ONCE]
        left -= {*batch}
        answers = await asyncio.gather(*(registry.read_manifest(repository, digest) for digest in batch))
        for digest, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Unknown):
                raise _cannot_tell(f"{repository}@{digest}", answer)
            # One that is absent was deleted since its tag was listed, or is of another repository.
            manifests = answer.value.get("manifests", ()) if isinstance(answer, Present) else ()
            found[digest] = [each["digest"] for each in manifests]
            left |= {*found[digest]} - found.keys()
    return {digest: below for digest, below in found.items() if below}


async def read_running(kube: Kube, cluster: str) -> list[Need]:
    """The images of every pod of the cluster, and of everything that makes pods.

    Raises:
        OutOfReachError, ClusterError: they cannot be listed.
    """
    pods, _ = await kube.list("/api/v1/pods")
    needs = [Need(image, f"pod {_name(pod)} on {cluster}") for pod in pods for image in _of_pod(pod)]
    for path in _WORKLOADS:
        items, _ = await kube.list(f"/apis/{path}")
        kind = path.rpartition("/")[2].removesuffix("s")
        needs += [Need(i, f"{kind} {_name(item)} on {cluster}") for item in items for i in _of_template(item)]
    return needs


def _of_pod(pod: Json) -> Iterator[str]:
    """As they are asked for, and as they were pulled."""
    yield from _of_spec(pod["spec"])
    for key in _STATUSES:
        for status in pod.get("status", {}).get(key) or ():
            yield from (status[name] for name in ("image", "imageID") if status.get(name))


def _of_template(item: Json) -> Iterator[str]:
    spec = item["spec"]
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    yield from _of_spec(spec.get("template", {}).get("spec", {}))


def _of_spec(spec: Json) -> Iterator[str]:
    for key in _CONTAINERS:
        yield from (container["image"] for container in spec.get(key) or () if container.get("image"))


def _name(item: Json) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


async def read_marks(kube: Kube) -> Marks:
    """Since when images are known to be spare.

    Raises:
        OutOfReachError: nobody can tell.
        RefusedError: what is written down is not understood.
    """
    found = await kube.find(MARKS)
    if isinstance(found, Absent):
        return {}
    if isinstance(found, Unknown):
        raise OutOfReachError("nobody can tell since when images are spare", why=found.reason)
    try:
        written = json.loads(found.value["data"]["marks"])
        return {image: datetime.fromisoformat(since) for image, since in written.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RefusedError(
            "since when images are spare cannot be understood",
            where=f"configmap {MARKS.rpartition('/')[2]} of namespace hubops",
            why=f"{type(error).__name__}: {error}",
            hint="Delete it: their time begins anew.",
        ) from error


def _cannot_tell(what: str, answer: Unknown) -> OutOfReachError:
    hint = "Nothing was deleted. Run it again when the registry answers."
    return OutOfReachError(f"the registry cannot tell {what}", why=answer.reason, hint=hint)
