"""The part of a status file that tells of one database among several. `make docs` puts its fields into `docs/status-json.md`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from watcher.status.json_record import JsonRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus(JsonRecord):
    """One database of a watcher that watches several."""

    name: Annotated[str, "the database"]
    events_per_second: Annotated[float, "its messages delivered in a second, on average over the last 10 s"] = 0.0
    messages_committed: Annotated[int, "its messages that the present process has delivered"] = 0
    lag_seconds: Annotated[float, "how old its last change was when it was committed in Kafka"] = 0.0
    last_event_at: Annotated[datetime | None, "when its last committed change was made"] = None
