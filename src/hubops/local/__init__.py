"""The local cluster and the toolchain: from a bare machine to a Kubernetes with a registry."""
