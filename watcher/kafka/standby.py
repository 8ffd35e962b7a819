"""Knowledge that a standby has of the active worker: who it is, since when, and how its settings differ.

The active worker writes its settings beside its claim, without secrets (`config/hosts.py`). Earlier releases do not look for that
record.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple

import orjson
from confluent_kafka import KafkaError

from watcher.config import Settings
from watcher.config.hosts import differences, told_settings
from watcher.errors import Outage, PositionLost
from watcher.kafka.errors import explained
from watcher.kafka.ownership import Ownership, check_database
from watcher.kafka.position import VERSION, Stamp
from watcher.kafka.position_reader import PositionReader
from watcher.librdkafka import LEADER_MOVES, NOT_HEARD_OF
from watcher.log import iso
from watcher.model import Active, Owner


class ToldSettings(NamedTuple):
    """The settings by which an active worker works, by key, and when it told them: seconds since 1970, by its host's clock."""

    values: Mapping[str, str]
    at: float


def dump_settings(owner: Owner, settings: Settings, now: datetime) -> bytes:
    """Write the settings by which `owner` works as JSON text."""
    told = told_settings(settings)
    return orjson.dumps({"version": VERSION, "owner": asdict(owner), "at": iso(now), "settings": told})


def load_settings(text: bytes, owner: Owner) -> ToldSettings | None:
    """Read the settings by which `owner` works from their JSON text; None if it cannot be read, or is another worker's."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        data = orjson.loads(text)
        if data["owner"]["instance"] == owner.instance:
            values = {str(key): str(value) for key, value in dict(data["settings"]).items()}
            return ToldSettings(values, datetime.fromisoformat(data["at"]).timestamp())
    return None


class ActiveWorkers:
    """The active workers of a watcher, one after the other. The settings of each are read once, because they never change."""

    def __init__(self, settings: Settings) -> None:
        self._ours = told_settings(settings)
        self._last: Active | None = None

    def look(self, settings: Settings, ownership: Ownership) -> Active | None:
        """Look which worker has the watcher; returns None if that is not known, such as before the position topic is there, or as
        it gets another leader.

        What the position topic tells of earlier messages is noted in `ownership`. Errors: Outage, NotPermitted, CredentialsRefused;
        ConfigurationError if the position belongs to another database, which a takeover would be too late to find out.
        """
        troubles: deque[KafkaError] = deque(maxlen=16)
        # Whoever has the lease creates the topic. Waiting for that here would keep this worker from having it.
        reader = PositionReader(settings, troubles.append, settle_s=0)
        try:
            saved = reader.read_so_far()
            if saved.position:
                check_database(settings, saved.position)
            ownership.learn(saved.delivered)
            return self.seen(saved.stamp, lambda: reader.read_settings()[0])
        except PositionLost:
            return None
        except Outage as error:
            if error.code in NOT_HEARD_OF | LEADER_MOVES:
                return None
            raise explained(error, troubles) from error

    def seen(self, stamp: Stamp | None, settings_text: Callable[[], bytes]) -> Active | None:
        """Return the worker that wrote the newest record, None if none did or it was a command. `settings_text` reads the record of
        settings; its errors are raised."""
        if stamp is None or stamp.command:
            return None
        if self._last is None or (self._last.owner, self._last.since) != (stamp.owner, stamp.active_since):
            self._last = Active(stamp.owner, stamp.active_since, self._differences(stamp.owner, settings_text()))
        return self._last

    def _differences(self, owner: Owner, text: bytes) -> tuple[str, ...]:
        theirs = load_settings(text, owner)
        return differences(theirs.values, self._ours, owner.host) if theirs else ()
