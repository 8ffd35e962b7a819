"""Reads the state of MongoDB's oplog. MongoDB tells it only to users with the role clusterMonitor; a sharded cluster's router has
no oplog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import Timestamp

from watcher.errors import NotPermitted, UnsupportedServer
from watcher.mongodb.client import CommandSession
from watcher.mongodb.errors import translated
from watcher.oplog import Oplog

HOUR = 3600


def oldest_entry(session: CommandSession) -> Timestamp | None:
    """Read the time of the oldest entry; None if MongoDB does not tell. Errors: Outage."""
    oldest: Timestamp | None = _server_status(session).get("oplog", {}).get("earliestOptime")
    return oldest


def read_oplog(session: CommandSession) -> Oplog | None:
    """Read all that MongoDB tells of its oplog, None if it tells nothing. This takes mongod some milliseconds. Errors: Outage."""
    status = _server_status(session)
    oldest: Timestamp | None = status.get("oplog", {}).get("earliestOptime")
    if oldest is None:
        return None
    size, max_size = _sizes(session)
    truncation = status.get("oplogTruncation", {})
    retention_seconds = int(truncation.get("oplogMinRetentionHours", 0) * HOUR)
    return Oplog(oldest.time, size, max_size, retention_seconds, truncation.get("truncateCount", 0))


def _server_status(session: CommandSession) -> Mapping[str, Any]:
    try:
        with translated():
            status = session.command("admin", {"serverStatus": 1, "oplog": 1})
    except (NotPermitted, UnsupportedServer):
        return {}
    return status


def _sizes(session: CommandSession) -> tuple[int | None, int | None]:
    """The size of the oplog and its largest size, in bytes; None if MongoDB does not permit the question."""
    try:
        with translated():
            stats = session.command("local", {"collStats": "oplog.rs"})
    except (NotPermitted, UnsupportedServer):
        return None, None
    return stats.get("size"), stats.get("maxSize")
