"""All commands of watcherctl, each with its place and a one-line summary, so that `--help` need not import them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class CommandPlace(NamedTuple):
    """The place of a click command, called `attribute` in `module`, and its summary."""

    module: str
    attribute: str
    summary: str


_SUMMARIES: Mapping[str, Mapping[str, str]] = {
    "watcher.cli.deployment.init": {"init": "Write a conf.d and its other files, to start from."},
    "watcher.cli.deployment.check": {"check": "Show all faults of the configuration at once."},
    "watcher.cli.deployment.doctor": {"doctor": "Look for what is wrong, and say what to do about it."},
    "watcher.cli.fleet.control": {
        "start": "Start watchers, and wait until they stream.",
        "stop": "Stop watchers after their current batch.",
        "restart": "Stop watchers and start them again.",
        "enable": "Let watchers start with supervisord.",
        "disable": "Do not let watchers start with supervisord.",
        "apply": "Make the running fleet match conf.d.",
        "status": "Show the state of the watchers.",
        "ctl": "Run supervisorctl on this fleet.",
        "down": "Stop all watchers and supervisord.",
    },
    "watcher.cli.fleet.observe": {
        "console": "Print the address of the fleet's page, and open it.",
        "metrics": "Print all metrics in Prometheus' format.",
        "health": "Say in one line whether all is well, for probes.",
    },
    "watcher.cli.fleet.agent": {"agent": "Run the agent; this is what supervisord does."},
    "watcher.cli.fleet.logs": {"logs": "Show the watchers' logs."},
    "watcher.cli.delivery.tail": {"tail": "Show the messages that watchers have delivered."},
    "watcher.cli.delivery.position": {"position": "Show the positions of watchers, or change one."},
    "watcher.cli.delivery.snapshot": {"snapshot": "Copy documents that are there already."},
    "watcher.cli.delivery.switchover": {"switchover": "Have another host take over watchers."},
    "watcher.cli.delivery.verify": {"verify": "Prove that the topics hold what the collections hold."},
    "watcher.cli.delivery.transform": {"transform": "Try the function that changes a watcher's messages."},
    "watcher.cli.delivery.compare": {"compare": "Compare the messages of an old watcher with ours."},
    "watcher.cli.deployment.generate": {"generate": "Write files for your own supervisord, systemd, Kubernetes."},
    "watcher.cli.fleet.run": {"run": "Run one watcher, or the fleet, in the foreground."},
    "watcher.cli.demo.command": {"demo": "Run a demo: MongoDB, Kafka, two watchers and traffic."},
    "watcher.cli.demo.sandbox": {"sandbox": "Run MongoDB and Kafka alone, to try a conf.d on."},
    "watcher.cli.version": {"version": "Show the version of watcherctl and its libraries."},
    "watcher.cli.completion": {"completion": "Print the completion script for a shell."},
}

COMMANDS: Mapping[str, CommandPlace] = {
    name: CommandPlace(module, name, summary) for module, summaries in _SUMMARIES.items() for name, summary in summaries.items()
}
"""The commands by name, in the order of `--help`."""
