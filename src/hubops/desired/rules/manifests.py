"""Rules about what helm renders for a hub, for each minor version of Kubernetes that it is to run on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from hubops.desired.manifests.api import load_api
from hubops.desired.manifests.given import values_for_helm
from hubops.desired.manifests.helm_errors import parse_error, place_of_value
from hubops.desired.manifests.judge import find_wrong, is_custom, value_at
from hubops.desired.manifests.model import Manifest, Rendering, Wrong
from hubops.desired.manifests.reading import read_manifests
from hubops.desired.manifests.templates import Template, find_template, line_of, line_with
from hubops.desired.manifests.trace import Node, find_place, nodes_of
from hubops.desired.rules.model import Rule, only
from hubops.desired.rules.views import HubView
from hubops.errors import RepositoryError


@dataclass(frozen=True)
class RenderedView:
    """A hub, and what helm made of it."""

    view: HubView
    renderings: Sequence[Rendering]

    @cached_property
    def errors(self) -> list[RepositoryError]:
        """What is wrong, of several rules; what is wrong in several minor versions is told once."""
        found: dict[tuple[str, str, str], tuple[Wrong, list[int]]] = {}
        for rendering in self.renderings:
            for wrong in self._wrong(rendering):
                key = (wrong.rule, wrong.template, wrong.what)
                found.setdefault(key, (wrong, []))[1].append(rendering.minor)
        return [self._error(wrong, sorted({*minors})) for wrong, minors in found.values()]

    def _wrong(self, rendering: Rendering) -> Iterator[Wrong]:
        read = [*read_manifests(rendering.text)]
        if rendering.failure:
            lines = {each.template: each.line for each in read if isinstance(each, Wrong)}
            yield from self._failed(rendering.failure, lines)
            return
        manifests = [each for each in read if isinstance(each, Manifest)]
        yield from (each for each in read if isinstance(each, Wrong))
        api = load_api(rendering.minor)
        yield from find_wrong(manifests, api, self.view.hub.namespace)
        self._note_custom([each for each in manifests if is_custom(each, api)])

    def _failed(self, message: str, lines: dict[str, str]) -> Iterator[Wrong]:
        error, hub = parse_error(message), self.view.hub.name
        said = " ".join(error.said.split())
        given = self.view.given
        if not isinstance(given, RepositoryError) and given.is_closed():
            self.view.note(f"not rendered: {hub}, whose secrets cannot be seen; helm says: {said}")
            return
        yield Wrong(
            "render-failed",
            error.template,
            f"helm cannot render {hub}: {said}",
            f"at {error.expression}" if error.expression else "",
            line=lines.get(error.template, ""),
            number=error.line,
            place=place_of_value(self.view.hub, error),
        )

    def _note_custom(self, manifests: Sequence[Manifest]) -> None:
        kinds = sorted({f"{each.version} {each.kind}" for each in manifests})
        if kinds:
            hub, why = self.view.hub.name, "only the cluster has the schemas of custom resources"
            self.view.note(f"not checked: {', '.join(kinds)} of {hub}; {why}")

    @cached_property
    def _nodes(self) -> list[Node]:
        return [*nodes_of(values_for_helm(self.view))]

    def _error(self, wrong: Wrong, minors: Sequence[int]) -> RepositoryError:
        place, template = self._place(wrong), find_template(self.view.hub, self.view.charts, wrong.template)
        where = place or template.where(_line(wrong, template))
        versions = ", ".join(f"1.{minor}" for minor in minors)
        is_judged = wrong.rule != "render-failed"
        why = [
            f"Kubernetes {versions} {wrong.reason}" if is_judged else wrong.reason,
            f"the line is: {wrong.line.strip()}" if wrong.line else "",
            "" if where.startswith(template.title) else f"rendered from {template.title}",
        ]
        return RepositoryError(
            wrong.what, where=where, why="; ".join(filter(None, why)), hint=wrong.hint, rule=wrong.rule
        )

    def _place(self, wrong: Wrong) -> str:
        """Where a value is set that made what is wrong; empty where none did."""
        if not wrong.manifest or not wrong.path:
            return wrong.place
        by_chance = wrong.rule == "manifest"
        return find_place(self.view.hub, self._nodes, wrong.manifest, wrong.path, by_chance=by_chance)


def _line(wrong: Wrong, template: Template) -> int:
    if wrong.manifest and wrong.path:
        return line_of(template, wrong.path, value_at(wrong.manifest.value, wrong.path))
    return wrong.number or line_with(template, wrong.line)


def _errors(view: RenderedView) -> Iterator[RepositoryError]:
    return iter(view.errors)


_ABOUT = {
    "render-failed": "Helm cannot render a hub's chart with its values.",
    "manifest": "The Kubernetes API does not know, or does not take, what a manifest says.",
    "unknown-kind": "The hub's Kubernetes has no such kind, or does not serve it by default.",
    "removed-api": "A manifest is written in a version of the API that is gone.",
    "deprecated-api": "A manifest is written in a version of the API that will go.",
    "duplicate-object": "A hub's chart renders two objects of one kind and name.",
}
RULES = tuple(Rule(name, about, only(name, _errors)) for name, about in _ABOUT.items())
