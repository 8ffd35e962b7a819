"""Manifests for Kubernetes: a file for each watcher, and one for what they share. Secrets are only referred to.

Fields: https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watcher.config import Settings
from watcher.config.addresses import is_loopback
from watcher.config.mongodb.uri import parse_uri
from watcher.fleet.errors import FleetError
from watcher.generate.files import MARK, GeneratedFile
from watcher.generate.kubernetes_pod import AGENT_PORT_NAME, AGENT_SECRET, AGENT_TOKEN, HOME, pod
from watcher.generate.settings_text import SettingsText, settings_text
from watcher.generate.yaml_text import yaml_text

FLEET = "00-fleet"
"""Name of the file with what all watchers share. `kubectl apply` takes a directory's files by their names, so this one first."""

HOSTS = 2
"""Pods of a watcher with a lease: one is active, the other stands by."""

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_PART_OF = {"app.kubernetes.io/name": "database-watcher"}
_UNFIT = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 63
_HOST = re.compile(r"(?:\w+://)?(?:\[([^\]]*)\]|([^:]*))")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Choices that hold for all watchers. An empty `namespace` leaves it to kubectl; without an `agent_port` there is no agent."""

    image: str
    namespace: str = ""
    agent_port: int | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """One watcher: its settings as they were `written`, and whether it `has_lease`, so that several pods may run it."""

    written: Mapping[str, Any]
    has_lease: bool = False


def manifest_files(watchers: Mapping[str, Watcher], cluster: Cluster) -> list[GeneratedFile]:
    """Return `<name>.yaml` for each watcher, and `00-fleet.yaml` if they share anything. Raises FleetError for unfit names."""
    names = {name: object_name(name) for name in watchers}
    _refuse_same(names)
    shared = list(_shared(cluster))
    return [
        *([_file(FLEET, "conf.d", shared)] if shared else []),
        *(_file(name, f"conf.d/{name}", _objects(name, names[name], watcher, cluster)) for name, watcher in watchers.items()),
    ]


def object_name(watcher: str) -> str:
    """Return the name of the watcher's objects and its Secret. Kubernetes accepts only lower-case letters, digits and `-`."""
    name = f"database-watcher-{_UNFIT.sub('-', watcher.lower()).strip('-')}"
    if len(name) > _LONGEST_NAME:
        raise FleetError(f"{name} is longer than the {_LONGEST_NAME} characters that Kubernetes takes", hint="rename the watcher")
    return name


def next_commands(watchers: Mapping[str, Watcher], cluster: Cluster, directory: Path) -> list[str]:
    """Return the commands to type: those that create the namespace and the Secrets, then one for the manifests."""
    secrets = {object_name(name): settings_text(watcher.written).variables for name, watcher in watchers.items()}
    if cluster.agent_port is not None:
        secrets[AGENT_SECRET] = {AGENT_TOKEN: True}
    create = ["kubectl", *(["--namespace", cluster.namespace] if cluster.namespace else []), "create", "secret", "generic"]
    return [
        *([f"kubectl apply -f {shlex.quote(str(directory / FLEET))}.yaml"] if cluster.namespace else []),
        *(
            f"{shlex.join([*create, name])} --from-env-file=FILE  # a line each: {', '.join(variables)}"
            for name, variables in secrets.items()
            if variables
        ),
        shlex.join(["kubectl", "apply", "-f", str(directory)]),
    ]


def loopback_warnings(watchers: Iterable[Settings]) -> Iterator[str]:
    """Yield a warning for each address of this host itself: in a pod that is the pod."""
    for settings in watchers:
        places = {"mongodb_uri": parse_uri(settings.mongodb_uri.get_secret_value()).hosts, "kafka_brokers": settings.kafka_brokers}
        for key, addresses in places.items():
            hosts = [match[1] or match[2] for address in addresses.split(",") if (match := _HOST.match(address.strip()))]
            if found := [host for host in hosts if is_loopback(host)]:
                yield f"{settings.name}: {key} names {', '.join(found)}, which in a pod is the pod itself"


def transform_warnings(watchers: Iterable[Settings]) -> Iterator[str]:
    """Yield a warning for each transform whose module is a file beside conf.d, or may be one: no pod has it by itself."""
    for settings in watchers:
        if settings.transform:
            module = settings.transform.partition(":")[0]
            yield f"{settings.name}: the module {module} of its transform must be in the image, or be mounted into {HOME}"


def _refuse_same(names: Mapping[str, str]) -> None:
    for name, count in Counter(names.values()).items():
        if count > 1:
            same = ", ".join(watcher for watcher, called in names.items() if called == name)
            raise FleetError(f"{same} would all be called {name} in Kubernetes", hint="rename all but one")
    for name, called in names.items():
        if name == FLEET or called == AGENT_SECRET:
            raise FleetError(f"{name} has the name of what all watchers share in Kubernetes", hint="rename the watcher")


def _file(name: str, origin: str, objects: Iterable[Mapping[str, Any]]) -> GeneratedFile:
    first_line = f"# {MARK} from {origin}. Changes made here are lost.\n"
    return GeneratedFile(f"{name}.yaml", first_line + "---\n".join(map(yaml_text, objects)))


def _shared(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Yield the namespace, and the Service by which Prometheus finds the agent of each pod, also of those that are not ready."""
    if cluster.namespace:
        # Our pods need no more than the strictest of the Pod Security Standards allows.
        labels = {**_PART_OF, "pod-security.kubernetes.io/enforce": "restricted"}
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace, "labels": labels}}
    if cluster.agent_port is not None:
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata(AGENT_SECRET, _PART_OF, cluster),
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": _PART_OF,
                "ports": [{"name": AGENT_PORT_NAME, "port": cluster.agent_port, "targetPort": AGENT_PORT_NAME}],
            },
        }


def _objects(watcher: str, name: str, described: Watcher, cluster: Cluster) -> Iterator[dict[str, Any]]:
    labels = {**_PART_OF, "app.kubernetes.io/instance": name}
    metadata = _metadata(name, labels, cluster)
    settings = settings_text(described.written)
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": _files(watcher, settings, cluster)}
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            **_number(has_lease=described.has_lease),
            "selector": {"matchLabels": labels},
            "template": pod(watcher, name, labels, settings, cluster.image, cluster.agent_port, apart=described.has_lease),
        },
    }
    if described.has_lease:
        # Also pods that are not ready may be evicted: when Kafka is away, none is, and a node could not be drained.
        spec = {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": {"matchLabels": labels}}
        yield {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def _number(*, has_lease: bool) -> dict[str, Any]:
    """Say how many pods there are, and how they are replaced. Without a lease there are never two: one would fence the other."""
    if not has_lease:
        return {"replicas": 1, "strategy": {"type": "Recreate"}}
    # A third pod would find no node of its own in a cluster of two.
    return {"replicas": HOSTS, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}


def _files(watcher: str, settings: SettingsText, cluster: Cluster) -> dict[str, str]:
    """Return the content of a pod's conf.d. In a pod the agent is asked from outside, so it needs a token."""
    files = {f"{watcher}.toml": settings.text}
    if cluster.agent_port is not None:
        files["agent.toml"] = f'host = "0.0.0.0"\nport = {cluster.agent_port}\ntoken = "${{{AGENT_TOKEN}}}"\n'
    return files


def _metadata(name: str, labels: Mapping[str, str], cluster: Cluster) -> dict[str, Any]:
    return {"name": name, **({"namespace": cluster.namespace} if cluster.namespace else {}), "labels": labels}
