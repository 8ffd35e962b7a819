"""The pod of a watcher: its worker, and beside it the agent, which reads what the worker writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from watcher.config import Deployment
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.generate.settings_text import SettingsText

HOME = "/var/lib/database-watcher"
"""The image's working directory. conf.d is mounted into it, and run/ is created next to conf.d."""

DIRECTORIES = Deployment(Path("conf.d"), Path("run"), Path("log"))
"""The directories in a pod, as seen from there."""

USER_ID = 10001
"""User that the worker runs as; any user but root will do. It is a number because kubelet cannot tell whether a name is root's."""

GRACE_SECONDS = STOP_WAIT_SECONDS + 10
"""Grace period in seconds: longer than a worker takes to drain, with a margin for the container runtime."""

AGENT_SECRET = "database-watcher-agent"  # noqa: S105 - the name of the agent's Secret, and of its Service
AGENT_TOKEN = "AGENT_TOKEN"  # noqa: S105 - the name of a variable
AGENT_PORT_NAME = "agent"

TINI = {"name": "TINI_SUBREAPER", "value": "1"}
"""In a shared process namespace tini is not process 1, and would say so at each start."""


def pod(
    watcher: str,
    name: str,
    labels: Mapping[str, str],
    settings: SettingsText,
    image: str,
    agent_port: int | None,
    *,
    apart: bool,
) -> dict[str, Any]:
    """Return the template of a watcher's pods, whose objects have this `name` and these `labels`. Pods that stay `apart` share no
    node."""
    environment = [_from_secret(variable, name, needed) for variable, needed in settings.variables.items()]
    if agent_port is None:
        containers = [_worker(watcher, environment, image)]
    else:
        containers = [_worker(watcher, [TINI, *environment], image), _agent([TINI, *environment], image, agent_port)]
    return {
        # With the digest, a change of the settings leads to a new pod.
        "metadata": {"labels": labels, "annotations": {"database-watcher/settings": _digest(settings.text)}},
        "spec": {
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **({"affinity": _apart(labels)} if apart else {}),
            # The agent looks whether the worker's process is alive.
            **({"shareProcessNamespace": True} if agent_port is not None else {}),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "fsGroup": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": containers,
            "volumes": [{"name": "settings", "configMap": {"name": name}}, {"name": "state", "emptyDir": {}}],
        },
    }


def _apart(labels: Mapping[str, str]) -> dict[str, Any]:
    """Put each pod of a watcher on a node of its own. One that finds none waits, and says so: beside the other it would be no
    help."""
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _worker(watcher: str, environment: list[dict[str, Any]], image: str) -> dict[str, Any]:
    return {
        **_container("worker", ["run", watcher], environment, image),
        **_probes(watcher),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    }


def _agent(environment: list[dict[str, Any]], image: str, port: int) -> dict[str, Any]:
    """Return the agent's container. It has no readiness of its own: a pod is ready when its worker is."""
    return {
        **_container("agent", ["agent"], [*environment, _from_secret(AGENT_TOKEN, AGENT_SECRET, needed=True)], image),
        "ports": [{"name": AGENT_PORT_NAME, "containerPort": port}],
        "livenessProbe": {"tcpSocket": {"port": AGENT_PORT_NAME}, "periodSeconds": 30, "timeoutSeconds": 10},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }


def _container(name: str, command: list[str], environment: list[dict[str, Any]], image: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "args": command,
        "workingDir": HOME,
        **({"env": environment} if environment else {}),
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
    """Return the probes. A pod is ready while its worker streams or stands by. It is alive while it writes its status file: an
    outage of MongoDB or Kafka is no reason for a restart.
    """
    written = ["sh", "-c", f'test -n "$(find {DIRECTORIES.status_file(watcher)} -mmin -2)"']
    return {
        "startupProbe": {"exec": {"command": written}, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 30},
        "livenessProbe": {"exec": {"command": written}, "periodSeconds": 30, "timeoutSeconds": 10},
        "readinessProbe": {"exec": {"command": ["watcherctl", "health", watcher]}, "periodSeconds": 30, "timeoutSeconds": 10},
    }
