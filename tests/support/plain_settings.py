"""A watcher's settings, for tests that reach no server."""

from __future__ import annotations

from typing import Any

from watcher.config import Settings

REQUIRED = {
    "name": "dashboard",
    "mongodb_uri": "mongodb://localhost:27017/dashboard",
    "kafka_brokers": "localhost:9092",
    "kafka_client_id": "dashboard-watcher",
}


def settings(**changes: Any) -> Settings:
    """The settings that must be set, and `changes`."""
    return Settings(**(REQUIRED | changes))
