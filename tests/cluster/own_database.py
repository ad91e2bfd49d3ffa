"""A PostgreSQL for the hub of a test: Debian's, in the hub's namespace."""

import json
from pathlib import Path
from typing import Any

from cluster.own_hub import Operator
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import BuildRequest

DOCKERFILE = """\
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends postgresql && useradd --uid 1000 db
USER 1000
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGHOST=localhost PGUSER=db
CMD ["sh", "-ec", "initdb -D /tmp/data --auth=scram-sha-256 --pwfile=/run/password/hub.db.password; \\
    echo 'host all all all scram-sha-256' >> /tmp/data/pg_hba.conf; \\
    echo 'CREATE DATABASE hub' | postgres --single -D /tmp/data postgres; \\
    exec postgres -D /tmp/data -c 'listen_addresses=*' -c unix_socket_directories=/tmp"]
"""
VALUES: dict[str, Any] = {
    "hub": {
        "existingSecret": "database",
        "db": {"type": "postgres", "url": "postgresql+psycopg2://db@database:5432/hub"},
    }
}
# As "restricted" wants a pod.
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


async def build_database(builder: Buildctl, base: dict[str, Path], registry: str, directory: Path) -> str:
    """Its image, with the digest."""
    (directory / "Dockerfile").write_text(DOCKERFILE)
    name = f"{registry}/tests/postgres:15"
    digest = await builder.build(BuildRequest(directory, name, push=True, contexts=base), print)
    return f"{name}@{digest}"


async def bring_database(operator: Operator, image: str) -> None:
    """An empty one, which forgets everything with its pod."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": operator.hub}}
    for thing in [namespace, *_objects(image)]:
        await operator.kube("apply", "-f", "-", stdin=json.dumps(thing))
    await operator.kube("rollout", "status", "deployment/database")


async def in_database(operator: Operator, command: str) -> str:
    """A command of PostgreSQL, as the one who may do everything, where files can be written."""
    script = f"cd /tmp; export PGPASSWORD=$(cat /run/password/*); {command}"
    return await operator.kube("exec", "deploy/database", "--", "sh", "-ec", script)


def _objects(image: str) -> list[dict[str, Any]]:
    labels = {"app": "database"}
    container = {
        "name": "database",
        "image": image,
        "ports": [{"containerPort": 5432}],
        "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},
        "securityContext": SECURITY,
        "volumeMounts": [{"name": "password", "mountPath": "/run/password"}],
    }
    pod = {
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [{"name": "password", "secret": {"secretName": "database"}}],
    }
    deployment = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    service = {"selector": labels, "ports": [{"port": 5432}]}
    named = {"metadata": {"name": "database"}}
    return [
        {"apiVersion": "v1", "kind": "Secret", **named, "stringData": {"hub.db.password": "p" * 20}},
        {"apiVersion": "apps/v1", "kind": "Deployment", **named, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", **named, "spec": service},
    ]
