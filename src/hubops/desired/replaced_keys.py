"""Keys that the upstream chart took once, and what says the same now."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Replaced:
    """A key that the upstream chart took before `since`, and what says the same now."""

    key: str
    since: tuple[int, int, int]
    instead: str

    @property
    def version(self) -> str:
        """`since`, as people write it."""
        return ".".join(map(str, self.since))


# What the upstream chart's NOTES.txt refused at each of these versions, and its changelog tells. Its schema does
# not know most of them; where it does, the templates refuse them.
REPLACED = (
    Replaced("auth", (0, 11, 0), "hub.config, by the authenticator's class"),
    Replaced("hub.extraConfigMap", (1, 0, 0), "custom"),
    Replaced("hub.uid", (1, 0, 0), "hub.containerSecurityContext.runAsUser"),
    Replaced("hub.imagePullSecret", (1, 0, 0), "imagePullSecret, for the whole chart"),
    Replaced("singleuser.imagePullSecret", (1, 0, 0), "imagePullSecret, for the whole chart"),
    Replaced("proxy.containerSecurityContext", (1, 0, 0), "proxy.chp.containerSecurityContext"),
    Replaced("proxy.networkPolicy", (1, 0, 0), "proxy.chp.networkPolicy and proxy.traefik.networkPolicy"),
    Replaced("proxy.pdb", (1, 0, 0), "proxy.chp.pdb"),
    Replaced(
        "singleuser.cloudMetadata.enabled",
        (1, 0, 0),
        "singleuser.cloudMetadata.blockWithIptables, with the opposite value",
    ),
    Replaced("hub.fsGid", (2, 0, 0), "hub.podSecurityContext.fsGroup"),
    Replaced(
        "rbac.enabled",
        (2, 0, 0),
        "rbac.create and serviceAccount.create of hub, proxy.traefik, scheduling.userScheduler, prePuller.hook",
    ),
    Replaced("httpRoute.gateway", (5, 0, 0), "httpRoute.parentRefs, a list with kind: Gateway and name"),
)
