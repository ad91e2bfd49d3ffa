"""The pinned tools: which versions, where they come from, how they are recognised."""

from dataclasses import dataclass, field

KUBERNETES = "v1.34.4"
HELM = "v3.19.5"
KIND = "v0.30.0"
BUILDKIT = "v0.25.2"
CADDY = "v2.10.2"
SOPS = "v3.13.2"
AGE = "v1.2.1"

Version = tuple[int, ...]


@dataclass(frozen=True)
class Download:
    """An official binary: its address, its SHA-256, and its path inside the archive ("" when it is none)."""

    url: str
    sha256: str
    member: str = ""


@dataclass(frozen=True)
class Tool:
    """One program.

    `module` is the directory in toolchain/ it is built in, `package` the Go package.
    `minimum` to `below` is the range of versions tested; a program found on PATH
    within it is used, and asked for its version with `version_arguments`. A tool
    without a range is always ours.
    """

    name: str
    version: str
    module: str
    package: str
    version_arguments: tuple[str, ...] = ()
    minimum: Version = ()
    below: Version = ()
    linker_variables: dict[str, str] = field(default_factory=dict)
    downloads: dict[str, Download] = field(default_factory=dict)


# A Kubernetes that does not know its version reports v0.0.0, and charts refuse to install.
_KUBERNETES_VARIABLES = {
    "k8s.io/component-base/version.gitVersion": KUBERNETES,
    "k8s.io/component-base/version.gitMajor": KUBERNETES[1:].split(".")[0],
    "k8s.io/component-base/version.gitMinor": KUBERNETES.split(".")[1],
    "k8s.io/client-go/pkg/version.gitVersion": KUBERNETES,
    "helm.sh/helm/v3/internal/version.version": HELM,
}

_TOOLS = (
    Tool(
        "helm",
        HELM,
        "kubernetes",
        "helm.sh/helm/v3/cmd/helm",
        version_arguments=("version", "--template", "{{.Version}}"),
        minimum=(3, 14),
        below=(4,),
        linker_variables=_KUBERNETES_VARIABLES,
    ),
    Tool(
        "kubectl",
        KUBERNETES,
        "kubernetes",
        "k8s.io/kubernetes/cmd/kubectl",
        version_arguments=("version", "--client"),
        # One minor version either way is what Kubernetes promises to support.
        minimum=(1, 33),
        below=(1, 36),
        linker_variables=_KUBERNETES_VARIABLES,
    ),
    Tool("node", KUBERNETES, "kubernetes", ".", linker_variables=_KUBERNETES_VARIABLES),
    Tool("pause", KUBERNETES, "kubernetes", "./pause"),
    Tool(
        "kind",
        KIND,
        "kind",
        "sigs.k8s.io/kind",
        version_arguments=("version",),
        minimum=(0, 30),
        below=(0, 31),
    ),
    Tool("buildctl", BUILDKIT, "buildkit", "github.com/moby/buildkit/cmd/buildctl"),
    Tool("buildkitd", BUILDKIT, "buildkit", "github.com/moby/buildkit/cmd/buildkitd"),
    Tool("caddy", CADDY, "caddy", "github.com/caddyserver/caddy/v2/cmd/caddy"),
    Tool(
        "sops",
        SOPS,
        "secrets",
        "github.com/getsops/sops/v3/cmd/sops",
        version_arguments=("--version", "--disable-version-check"),
        minimum=(3, 9),
        below=(4,),
        linker_variables={"github.com/getsops/sops/v3/version.Version": SOPS.removeprefix("v")},
    ),
    Tool(
        "age",
        AGE,
        "secrets",
        "filippo.io/age/cmd/age",
        version_arguments=("--version",),
        minimum=(1, 1),
        below=(2,),
        linker_variables={"main.Version": AGE},
    ),
    Tool(
        "age-keygen", AGE, "secrets", "filippo.io/age/cmd/age-keygen", linker_variables={"main.Version": AGE}
    ),
)

TOOLS = {tool.name: tool for tool in _TOOLS}
