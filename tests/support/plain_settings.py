"""A watcher's settings, for tests that reach no server."""

from __future__ import annotations

from typing import Any

import pytest

from watcher.config import Settings
from watcher.config.fault import Invalid

REQUIRED = {
    "name": "dashboard",
    "mongodb_uri": "mongodb://localhost:27017/dashboard",
    "kafka_brokers": "localhost:9092",
    "kafka_client_id": "dashboard-watcher",
}


def settings(**changes: Any) -> Settings:
    """The settings that must be set, and `changes`."""
    return Settings(**(REQUIRED | changes))


def refusal(**changes: Any) -> str:
    """The reasons why such settings are refused."""
    with pytest.raises(Invalid) as caught:
        settings(**changes)
    return str(caught.value)
