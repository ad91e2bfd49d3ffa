"""Rules about where a hub is: its URL, what is told to others about it, and that no two are in one place."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from hubops.desired.model import Hub
from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import FleetView, HubView
from hubops.errors import RepositoryError
from hubops.names import is_reserved

ONE_NAMESPACE = "one-namespace"
_CALLBACK = "oauth_callback_url"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_NOT_ITS_OWN = "something else that hubops deploys, or the cluster has, is called so"
_METRICS = "prometheus.io/path"
# Where Prometheus finds the path, by chart.
_METRICS_OF = (("hub", "service", "annotations"), ("hub", "annotations"))
_RETIRED = {
    "ingress.kubernetes.io/": "nginx.ingress.kubernetes.io/",
    "certmanager.k8s.io/": "cert-manager.io/",
}


def base_url(view: HubView) -> Iterator[RepositoryError]:
    """Hubops sets hub.baseUrl from the hub's URL; another one written by hand wins over it."""
    value = view.at("hub", "baseUrl")
    if isinstance(value, str) and _path(value) != view.hub.path:
        yield RepositoryError(
            f"hub.baseUrl of {view.hub.name} is {value}, and its URL has {view.hub.path}",
            where=view.place("hub", "baseUrl"),
            why="hubops looks for the hub at its URL",
            hint="Take hub.baseUrl out; where the path is not the hub's name, set url in hub.yaml.",
        )


def callback(view: HubView) -> Iterator[RepositoryError]:
    """Every callback in hub.config leads back to this hub."""
    for section, traits in (view.at("hub", "config") or {}).items():
        value = traits.get(_CALLBACK) if isinstance(traits, dict) else None
        # A URL that stands in the file of secrets is not seen.
        if not isinstance(value, str) or "/" not in value:
            continue
        expected = f"{public_url(view.hub)}hub/oauth_callback"
        # On the local cluster nobody is sent back; there the values are those of another one.
        is_known = urlsplit(expected).netloc and not view.hub.cluster.local
        expected = expected if is_known else urlsplit(expected).path
        ours = value if is_known else urlsplit(value).path
        if ours != expected:
            yield RepositoryError(
                f"the callback of {view.hub.name} is {value}",
                where=view.place("hub", "config", section, _CALLBACK),
                why=f"the provider would send people there, but the hub is at {public_url(view.hub)}",
                hint=f"Write {expected}, and the same at the provider.",
            )


def metrics_path(view: HubView) -> Iterator[RepositoryError]:
    expected = f"{view.hub.path}hub/metrics"
    for path in _METRICS_OF:
        value = view.at(*path, _METRICS)
        if value is not None and value != expected:
            yield RepositoryError(
                f"the metrics of {view.hub.name} are not at {value}",
                where=view.place(*path, _METRICS),
                why=f"they are at {expected}",
                hint=f"Write {expected}, or take it out: the chart knows.",
            )


def ingress_host(view: HubView) -> Iterator[RepositoryError]:
    host, hosts = urlsplit(public_url(view.hub)).hostname, view.at("ingress", "hosts")
    is_on = view.at("ingress", "enabled") is True and not view.hub.cluster.local
    if host and is_on and isinstance(hosts, list) and hosts and host not in hosts:
        yield RepositoryError(
            f"the Ingress of {view.hub.name} does not answer for {host}",
            where=view.place("ingress", "hosts"),
            why=f"the hub is at {public_url(view.hub)}",
            hint=f"Add {host}, or correct url in hub.yaml or of the cluster in hubops.yaml.",
        )


def retired_annotation(view: HubView) -> Iterator[RepositoryError]:
    annotations = view.at("ingress", "annotations")
    for key in annotations if isinstance(annotations, dict) else ():
        for old, new in _RETIRED.items():
            if key.startswith(old):
                yield RepositoryError(
                    f"nobody reads the annotation {key}",
                    where=view.place("ingress", "annotations", key),
                    why=f"the prefix {old} was given up, and nothing says so when it is ignored",
                    hint=f"Did you mean {new}{key.removeprefix(old)}?",
                )


def one_address(view: FleetView) -> Iterator[RepositoryError]:
    def key(hub: Hub) -> str:
        host = _host(public_url(hub))
        return f"{host or hub.cluster.identity} {hub.path}"

    for hub, other in _shared(view.hubs, key):
        yield RepositoryError(
            f"{hub.name} and {other.name} are both at {public_url(hub)}",
            where=hub.settings.place("url"),
            why="one address leads to one hub",
            hint="Give one of them another url.",
            hubs=(hub.name, other.name),
        )


def one_namespace(view: FleetView) -> Iterator[RepositoryError]:
    def key(hub: Hub) -> str:
        return f"{hub.cluster.identity} {hub.namespace}"

    for hub, other in _shared(view.hubs, key):
        yield RepositoryError(
            f"{hub.name} and {other.name} are both in the namespace {hub.namespace}",
            where=hub.settings.place("namespace"),
            why="the objects of a hub have fixed names, so that a namespace holds one",
            hint="Give one of them another namespace.",
            hubs=(hub.name, other.name),
        )


def reserved_namespace(view: HubView) -> Iterator[RepositoryError]:
    """Images, leases and the path go by the hub's name as well."""
    hub = view.hub
    if is_reserved(hub.namespace):
        yield RepositoryError(
            f"{hub.name} cannot be in the namespace {hub.namespace}",
            where=hub.settings.place("namespace"),
            why="it belongs to the cluster, to hubops' own records, or to the common address",
            hint="Give it one of its own.",
        )
    elif is_reserved(hub.name):
        where, hint = f"hub-charts/{hub.name}", "Rename the directory."
        yield RepositoryError(f"{hub.name} cannot name a hub", where=where, why=_NOT_ITS_OWN, hint=hint)


def public_url(hub: Hub) -> str:
    """Where people find the hub, with a slash at the end; only its path where nothing says on which host."""
    parts = urlsplit(hub.origin or hub.cluster.url)
    return f"{parts.scheme}://{parts.netloc}{hub.path}" if parts.netloc else hub.path


def _shared(hubs: list[Hub], key: Callable[[Hub], str]) -> Iterator[tuple[Hub, Hub]]:
    """Pairs with the same key. First the one that is told: it says so itself, which the other need not."""
    found: dict[str, Hub] = {}
    for hub in sorted(hubs, key=lambda each: bool({"url", "namespace"} & {*each.settings.value})):
        if (other := found.setdefault(key(hub), hub)) is not hub:
            yield hub, other


def _host(url: str) -> str:
    """Host and port as browsers take them: in small letters, and without the port that goes without saying."""
    parts = urlsplit(url)
    return parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme.lower(), ""))


def _path(url: str) -> str:
    inner = url.strip("/")
    return f"/{inner}/" if inner else "/"


OF_FLEET = (
    Rule("one-address", "Two hubs have one host and path.", one_address),
    Rule(ONE_NAMESPACE, "Two hubs are in one namespace.", one_namespace),
)
RULES = (
    Rule("reserved-namespace", "A hub has the namespace or the name of something else.", reserved_namespace),
    Rule("base-url", "hub.baseUrl is not the path of the hub's URL.", base_url),
    Rule("oauth-callback", "An OAuth callback does not lead back to the hub.", callback),
    Rule("metrics-path", "The metrics' path is not the hub's.", metrics_path),
    Rule("ingress-host", "The Ingress does not answer for the host of the hub's URL.", ingress_host),
    Rule("retired-annotation", "An annotation of the Ingress has a prefix that nobody reads.", retired_annotation),
)  # fmt: skip
