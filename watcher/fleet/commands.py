"""Commands by which supervisord, or whatever else runs the fleet, starts our programs: names and paths, never settings."""

from __future__ import annotations

import sys
from collections.abc import Callable

from watcher.config.deployment import Deployment

CommandOf = Callable[[str], tuple[str, ...]]


def worker_command(deployment: Deployment) -> CommandOf:
    """The command of each watcher's worker, by the watcher's name."""
    places = _places(deployment)
    return lambda name: (sys.executable, "-m", "watcher", "run", name, *places)


def agent_command(deployment: Deployment) -> tuple[str, ...]:
    """The command of the agent."""
    return (sys.executable, "-m", "watcher", "agent", *_places(deployment))


def fleet_command(deployment: Deployment) -> tuple[str, ...]:
    """The command that runs supervisord, and by it the whole fleet, in the foreground."""
    return (sys.executable, "-m", "watcher", "run", *_places(deployment))


def _places(deployment: Deployment) -> tuple[str, ...]:
    return ("--config", str(deployment.conf_dir), "--state-dir", str(deployment.state_dir))
