"""Manifests for Kubernetes: a Deployment of one pod, and a ConfigMap, for each watcher. Secrets are only referred to.

Fields: https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from watcher.config import Deployment
from watcher.fleet.errors import FleetError
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.generate.files import MARK, GeneratedFile
from watcher.generate.settings_text import SettingsText, settings_text
from watcher.generate.yaml_text import yaml_text

HOME = "/var/lib/database-watcher"
"""The image's working directory. conf.d is mounted into it, and run/ is created next to conf.d."""

DIRECTORIES = Deployment(Path("conf.d"), Path("run"), Path("log"))
"""The directories in a pod, as seen from there."""

USER_ID = 10001
"""User that the worker runs as; any user but root will do. It is a number because kubelet cannot tell whether a name is root's."""

GRACE_SECONDS = STOP_WAIT_SECONDS + 10
"""Grace period in seconds: longer than a worker takes to drain, with a margin for the container runtime."""

_UNFIT = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 63


def manifest_files(watchers: Mapping[str, Mapping[str, Any]], image: str) -> list[GeneratedFile]:
    """Return `<name>.yaml` for each watcher, from its settings as they were written. Raises FleetError for names that don't fit."""
    names = {name: object_name(name) for name in watchers}
    _refuse_same(names)
    return [_manifests(name, names[name], settings_text(written), image) for name, written in watchers.items()]


def object_name(watcher: str) -> str:
    """Return the name of the watcher's objects and its Secret. Kubernetes accepts only lower-case letters, digits and `-`."""
    name = f"database-watcher-{_UNFIT.sub('-', watcher.lower()).strip('-')}"
    if len(name) > _LONGEST_NAME:
        raise FleetError(f"{name} is longer than the {_LONGEST_NAME} characters that Kubernetes takes", hint="rename the watcher")
    return name


def next_commands(watchers: Mapping[str, Mapping[str, Any]], directory: Path) -> list[str]:
    """Return the commands to type: one that creates a Secret for each watcher that needs one, then one for the manifests."""
    return [
        *(
            f"kubectl create secret generic {object_name(name)} --from-env-file=FILE  # a line each: {', '.join(variables)}"
            for name, written in watchers.items()
            if (variables := settings_text(written).variables)
        ),
        shlex.join(["kubectl", "apply", "-f", str(directory)]),
    ]


def _refuse_same(names: Mapping[str, str]) -> None:
    for name, count in Counter(names.values()).items():
        if count > 1:
            same = ", ".join(watcher for watcher, called in names.items() if called == name)
            raise FleetError(f"{same} would all be called {name} in Kubernetes", hint="rename all but one")


def _manifests(watcher: str, name: str, settings: SettingsText, image: str) -> GeneratedFile:
    metadata = {"name": name, "labels": {"app.kubernetes.io/name": "database-watcher", "app.kubernetes.io/instance": name}}
    data = {f"{watcher}.toml": settings.text}
    documents = (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": _deployment(watcher, name, settings, image)},
    )
    first_line = f"# {MARK} from conf.d/{watcher}. Changes made here are lost.\n"
    return GeneratedFile(f"{watcher}.yaml", first_line + "---\n".join(map(yaml_text, documents)))


def _deployment(watcher: str, name: str, settings: SettingsText, image: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "database-watcher", "app.kubernetes.io/instance": name}
    return {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # never two workers at once: the second would fence the first
        "selector": {"matchLabels": labels},
        "template": {
            # With the digest, a change of the settings leads to a new pod.
            "metadata": {"labels": labels, "annotations": {"database-watcher/settings": _digest(settings.text)}},
            "spec": {
                "terminationGracePeriodSeconds": GRACE_SECONDS,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER_ID,
                    "fsGroup": USER_ID,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(watcher, name, settings.variables, image)],
                "volumes": [{"name": "settings", "configMap": {"name": name}}, {"name": "state", "emptyDir": {}}],
            },
        },
    }


def _container(watcher: str, name: str, variables: Mapping[str, bool], image: str) -> dict[str, Any]:
    return {
        "name": "worker",
        "image": image,
        "args": ["run", watcher],
        "workingDir": HOME,
        **({"env": [_from_secret(variable, name, needed) for variable, needed in variables.items()]} if variables else {}),
        **_probes(watcher),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "state", "mountPath": HOME},
            {"name": "settings", "mountPath": f"{HOME}/conf.d", "readOnly": True},
        ],
    }


def _from_secret(variable: str, secret: str, needed: bool) -> dict[str, Any]:
    reference = {"name": secret, "key": variable, **({} if needed else {"optional": True})}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _probes(watcher: str) -> dict[str, Any]:
    """Return the probes. A pod is ready while its worker streams. It is alive while it writes its status file: an outage of MongoDB
    or Kafka is no reason for a restart.
    """
    written = ["sh", "-c", f'test -n "$(find {DIRECTORIES.status_file(watcher)} -mmin -2)"']
    return {
        "startupProbe": {"exec": {"command": written}, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 30},
        "livenessProbe": {"exec": {"command": written}, "periodSeconds": 30, "timeoutSeconds": 10},
        "readinessProbe": {"exec": {"command": ["watcherctl", "health", watcher]}, "periodSeconds": 30, "timeoutSeconds": 10},
    }
