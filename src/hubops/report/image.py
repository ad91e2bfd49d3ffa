"""What an image is made of, and how that differs from what hubs have, as people and programs read it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hubops.plan.model import DeployedImage, Difference

_DIGITS = 12  # of a digest that help a reader
_MOST = 200  # inputs of one image that are shown


def format_image(name: str, tag: str, inputs: Mapping[str, str], deployed: Sequence[DeployedImage]) -> str:
    """Tag and inputs, then hub by hub what is another there."""
    lines = [f"{name} {tag}", *(f"  {key}  {_short(value)}" for key, value in sorted(inputs.items())[:_MOST])]
    if len(inputs) > _MOST:
        lines.append(f"  and {len(inputs) - _MOST} more; --format json has all")
    lines += [line for each in deployed for line in _of_hub(each, tag)]
    return "\n".join([*lines, *([] if deployed else ["no hub has it for itself"])])


def image_data(
    name: str, tag: str, inputs: Mapping[str, str], deployed: Sequence[DeployedImage]
) -> dict[str, Any]:
    """The same for programs; `here` is what would be built, `there` what the hub has."""
    return {
        "image": name,
        "tag": tag,
        "inputs": dict(inputs),
        "deployed": [asdict(each) for each in deployed],
    }


def _of_hub(each: DeployedImage, tag: str) -> list[str]:
    if not each.tag:
        return [f"{each.hub}: {each.unknown or 'it was not deployed there'}"]
    if each.tag == tag:
        return [f"{each.hub} has this one (deploy {each.deploy})"]
    head = f"{each.hub} has {each.tag} (deploy {each.deploy}, commit {each.commit[:10] or 'unknown'})"
    if each.unknown:
        return [f"{head}; {each.unknown}"]
    return [f"{head}:", *(f"  {difference.path}  {_kind(difference)}" for difference in each.differences)]


def _kind(difference: Difference) -> str:
    if difference.there is None:
        return "is new"
    if difference.here is None:
        return "is gone"
    return f"{_short(difference.there)} → {_short(difference.here)}"


def _short(value: str) -> str:
    """A digest by its first digits, with what is behind it."""
    if not value.startswith("sha256:"):
        return value
    digest, _, mode = value.partition(" ")
    return f"{digest[: len('sha256:') + _DIGITS]} {mode}".rstrip()
