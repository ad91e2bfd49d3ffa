"""All rules of `hubops check`."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from hubops.desired.repository import Reading
from hubops.desired.rules import (
    address,
    charts,
    data,
    dockerfiles,
    files,
    hooks,
    images,
    login,
    manifests,
    people,
    reading,
    secrets,
    switches,
)
from hubops.desired.rules.manifests import RenderedView
from hubops.desired.rules.model import Rule
from hubops.desired.rules.switches import Switch
from hubops.desired.rules.views import FleetView, HubView


@dataclass(frozen=True)
class Registry:
    """Rules by what they look at.

    `of_charts` need no more of a hub than Chart.yaml and Chart.lock, `of_hub` all its files, `of_manifests` what
    helm renders of them, and `of_switches` the switches that took nothing.
    """

    of_reading: tuple[Rule[Reading], ...] = reading.RULES
    of_charts: tuple[Rule[HubView], ...] = charts.OF_CHARTS
    of_hub: tuple[Rule[HubView], ...] = (
        *secrets.RULES,
        *images.RULES,
        *charts.RULES,
        *login.RULES,
        *people.RULES,
        *address.RULES,
        *data.RULES,
        *hooks.RULES,
    )
    of_manifests: tuple[Rule[RenderedView], ...] = manifests.RULES
    of_fleet: tuple[Rule[FleetView], ...] = (
        *address.OF_FLEET,
        *secrets.OF_FLEET,
        *images.OF_FLEET,
        *files.RULES,
        *dockerfiles.RULES,
        *switches.OF_FLEET,
    )
    of_switches: tuple[Rule[Iterable[Switch]], ...] = switches.OF_SWITCHES

    @cached_property
    def by_name(self) -> dict[str, Rule[Any]]:
        """Every rule, in the order of the documentation."""
        return {rule.name: rule for group in fields(self) for rule in getattr(self, group.name)}


REGISTRY = Registry()
