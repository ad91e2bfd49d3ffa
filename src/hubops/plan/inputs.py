"""In which inputs an image differs from the one that a hub has."""

from collections.abc import Iterator, Mapping

from hubops.plan.model import Difference


def compare_inputs(here: Mapping[str, str], there: Mapping[str, str]) -> Iterator[Difference]:
    """Each input that is not the same; what one of them lacks is None."""
    for key in sorted({*here, *there}):
        if here.get(key) != there.get(key):
            yield Difference(key, here.get(key), there.get(key))
