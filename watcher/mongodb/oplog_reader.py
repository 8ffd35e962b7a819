"""Asking MongoDB for its oplog. It tells only those with the role clusterMonitor, and a sharded cluster's router has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import Timestamp

from watcher.errors import NotPermitted
from watcher.mongodb.client import Reader
from watcher.mongodb.errors import translated
from watcher.oplog import Oplog

HOUR = 3600


def oldest_entry(reader: Reader) -> Timestamp | None:
    """The time of the oldest entry; None where MongoDB does not tell. Errors: Outage."""
    oldest: Timestamp | None = _server_status(reader).get("oplog", {}).get("earliestOptime")
    return oldest


def read_oplog(reader: Reader) -> Oplog | None:
    """All that MongoDB tells; None where it tells nothing. Takes it 8 ms. Errors: Outage."""
    status = _server_status(reader)
    oldest: Timestamp | None = status.get("oplog", {}).get("earliestOptime")
    if oldest is None:
        return None
    size, max_size = _sizes(reader)
    truncation = status.get("oplogTruncation", {})
    retention_seconds = int(truncation.get("oplogMinRetentionHours", 0) * HOUR)
    return Oplog(oldest.time, size, max_size, retention_seconds, truncation.get("truncateCount", 0))


def _server_status(reader: Reader) -> Mapping[str, Any]:
    try:
        with translated():
            status = reader.command("admin", {"serverStatus": 1, "oplog": 1})
    except NotPermitted:
        return {}
    return status


def _sizes(reader: Reader) -> tuple[int | None, int | None]:
    """What it takes, and what it may take."""
    try:
        with translated():
            stats = reader.command("local", {"collStats": "oplog.rs"})
    except NotPermitted:
        return None, None
    return stats.get("size"), stats.get("maxSize")
