"""The change stream's questions to a server that is gone; the rest of it is tested on real ones."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from tests.support.doctoring import as_settings
from watcher.errors import Outage
from watcher.mongodb.change_stream import ChangeStream
from watcher.mongodb.client import CommandSession

SETTINGS = {"mongodb_uri": "mongodb://127.0.0.1/shop", "kafka_brokers": "127.0.0.1:1", "kafka_client_id": "shop"}


def test_a_server_that_goes_when_it_is_asked_for_its_version_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked after an event that was too large. The driver's error would end the worker as a bug."""

    def command(*_: Any) -> None:
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(CommandSession, "command", command)
    with pytest.raises(Outage, match="connection closed"):
        _ = ChangeStream(as_settings(SETTINGS)).splits
