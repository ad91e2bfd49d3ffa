"""Whether a hub may have what the repository wants for it: held, proved, or neither."""

from hubops.plan.differences import differences
from hubops.plan.model import Course, Decision
from hubops.state.model import Content, Ending, History, Record


def decide(
    wanted: Content, own: History, prover: History | None, *, retry: bool = False, override: str = ""
) -> Decision:
    """What to do with `wanted`. `prover` is the history of the hub that proves it, None where none has to.

    With `retry` content that failed before is tried again; `override` is the reason to go on without a proof.
    """
    held = own.held(wanted.key)
    if held and not retry:
        return Decision(
            Course.HELD,
            f"deploy {held.number} of the same content failed: {_first_line(held.why)}",
            f"Change it, or try it again: hubops deploy {own.hub} --retry",
        )
    proved_here = own.last_proved is not None and own.last_proved.content.key == wanted.key
    if prover is None or proved_here:
        return Decision(Course.DEPLOY)
    proof = find_proof(wanted, prover)
    if proof and proof.ending is Ending.PROVED:
        unproved = tuple(differences(wanted.values, proof.content.values))
        return Decision(Course.DEPLOY, proof=proof, unproved=unproved)
    if override:
        return Decision(Course.DEPLOY, f"without a proof by {prover.hub}: {override}")
    return _not_proved(wanted, prover, proof)


def find_proof(wanted: Content, prover: History) -> Record | None:
    """The prover's newest attempt with every image, the chart and the shared layers of `wanted`.

    One that helm refused for a setting of the prover's own tells nothing of them.
    """
    return next((r for r in reversed(prover.records) if r.touched and not _unlike(wanted, r.content)), None)


def _unlike(wanted: Content, proved: Content) -> list[str]:
    """What `wanted` has of the shared things that `proved` has not."""
    parts = [
        f"image {name} {_tag(image)}"
        for name, image in sorted(wanted.images.items())
        if proved.images.get(name) != image
    ]
    if wanted.chart != proved.chart:
        parts.append(f"chart {wanted.chart_name}")
    if wanted.shared != proved.shared:
        parts.append("the values that all hubs share")
    return parts


def _not_proved(wanted: Content, prover: History, tried: Record | None) -> Decision:
    hint = f"Deploy it there first: hubops deploy {prover.hub}"
    if tried and tried.ending is Ending.FAILED:
        return Decision(
            Course.NOT_PROVED,
            f"{prover.hub} failed with it (deploy {tried.number}): {_first_line(tried.why)}",
            f"Change it; it is tried on {prover.hub} first.",
        )
    if tried:
        return Decision(
            Course.NOT_PROVED,
            f"deploy {tried.number} of {prover.hub} had it, and ended {tried.ending.value}",
            hint,
        )
    last = prover.last_proved
    if last is None:
        return Decision(Course.NOT_PROVED, f"{prover.hub} has proved nothing yet", hint)
    missing = ", ".join(_unlike(wanted, last.content))
    return Decision(Course.NOT_PROVED, f"{prover.hub} has not proved: {missing}", hint)


def _tag(image: str) -> str:
    """The tag of a pinned reference, as in registry/name:tag@digest."""
    return image.partition("@")[0].rpartition(":")[2]


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
