"""The pinned tools: which versions, where they come from, how they are recognised."""

from dataclasses import dataclass, field

KUBERNETES = "v1.34.4"
HELM = "v3.19.5"
KIND = "v0.30.0"
BUILDKIT = "v0.25.2"
CADDY = "v2.10.2"
SOPS = "v3.13.3"
AGE = "v1.2.1"
ACTIONLINT = "v1.7.12"
OBJECT_STORE = "v1.8.0"

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


# The node image kind v0.30.0 was released with.
NODE_IMAGE = "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"

_HELM_SHA256 = {
    "linux-amd64": "a0a5e8c592ed3f376ac110715eff214730c7422f9a44d96cf98117d2b8b0e6c0",
    "linux-arm64": "ce02147ffee6d993bf8ae97a44a22e9e1daf0b69d2d5b69a0c8cf6706445ccf5",
    "darwin-amd64": "57f4a847c349382b7cc742a6434ef25f88f0928a113d8cf49084b464878ef0b9",
    "darwin-arm64": "195e24e587f423f15a78feebab04583ceee68323598575a0e8b3b11b43fd26fe",
}
_KUBECTL_SHA256 = {
    "linux-amd64": "d50c359d95e0841eaad08ddc27c7be37cba8fdccfba5c8e2ded65e121ff112db",
    "linux-arm64": "5b982c0644ab1e27780246b9085a5886651b4a7ed86243acbb2bacc1bea01dda",
    "darwin-amd64": "9861e775578651d903a779f840ff8e4c0013ae29a1ffc67f05d967262fcf734c",
    "darwin-arm64": "d9b239414a5fdf624835bfb62eef28a0885f1645d579f98056a9ab3293f51f87",
}
_KIND_SHA256 = {
    "linux-amd64": "517ab7fc89ddeed5fa65abf71530d90648d9638ef0c4cde22c2c11f8097b8889",
    "linux-arm64": "7ea2de9d2d190022ed4a8a4e3ac0636c8a455e460b9a13ccf19f15d07f4f00eb",
    "darwin-amd64": "4f0b6e3b88bdc66d922c08469f05ef507d4903dd236e6319199bb9c868eed274",
    "darwin-arm64": "ceaf40df1d1551c481fb50e3deb5c3deecad5fd599df5469626b70ddf52a1518",
}


def _downloads(url: str, sums: dict[str, str], member: str = "") -> dict[str, Download]:
    """One download per platform: {0} in the address is the platform, {1} the same with a slash."""
    slashed = {platform: platform.replace("-", "/") for platform in sums}
    return {
        platform: Download(url.format(platform, slashed[platform]), sha256, member.format(platform))
        for platform, sha256 in sums.items()
    }


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
        downloads=_downloads(f"https://get.helm.sh/helm-{HELM}-{{0}}.tar.gz", _HELM_SHA256, "{0}/helm"),
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
        downloads=_downloads(f"https://dl.k8s.io/release/{KUBERNETES}/bin/{{1}}/kubectl", _KUBECTL_SHA256),
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
        downloads=_downloads(f"https://kind.sigs.k8s.io/dl/{KIND}/kind-{{0}}", _KIND_SHA256),
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
        minimum=(3, 11),  # the first that takes a value to set on standard input
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
    # Reads our GitHub workflow in the tests.
    Tool("actionlint", ACTIONLINT, "actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),
    # Speaks S3 to the tests.
    Tool("objectstore", OBJECT_STORE, "objectstore", "."),
)

TOOLS = {tool.name: tool for tool in _TOOLS}
