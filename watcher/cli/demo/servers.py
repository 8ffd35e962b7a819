"""The demo's servers, which are also those of `watcherctl sandbox`, and what its steps say."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

import click

from watcher.sandbox.sandbox import Sandbox


class Steps:
    """Says what is there, each with the time since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def tell(self, what: str) -> None:
        """Write `what` to stderr, with the time."""
        say(f"{time.monotonic() - self._began:5.1f} s  {what}")


def start_servers(sandbox: Sandbox, running: ExitStack, steps: Steps) -> None:
    """Start the servers. Each stop is registered before its start, so that a signal can never leave a server running."""
    kafka, mongodb = sandbox.kafka, sandbox.mongodb
    running.callback(kafka.stop)
    kafka.start()
    steps.tell(f"Kafka ({kafka.description}) on {kafka.address}")
    running.callback(mongodb.stop)
    mongodb.start()
    with mongodb.client() as client:
        version = client.server_info()["version"]
    steps.tell(f"MongoDB {version} on {mongodb.addresses}, a replica set of one node")


def say(text: str) -> None:
    """Write `text` to stderr. If nobody reads it, cleaning up goes on all the same."""
    with suppress(OSError):
        click.echo(text, err=True)
