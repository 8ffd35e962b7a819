"""Content of `run/<name>.json`: a worker's knowledge of itself, as the fleet reads it."""

from __future__ import annotations

import time
from typing import Any

from watcher.log import iso
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.resources import cpu_seconds, resident_bytes

VERSION = 1


def snapshot(progress: Progress) -> dict[str, Any]:
    """Make the status file's content. Times are ISO 8601, except `serverTime` and `positionTime`: these are MongoDB's, in seconds
    since 1970."""
    settings, owner, past, gaps = progress.settings, progress.owner, progress.past, progress.gaps
    counts, standing, under_way = progress.counts, progress.standing, progress.under_way
    return {
        "version": VERSION,
        "watcher": settings.name,
        "clientId": settings.kafka_client_id,
        "database": settings.database,
        "pid": owner.pid,
        "birth": progress.birth,
        "instance": owner.instance,
        "host": owner.host,
        "startedAt": iso(progress.started_at),
        "updatedAt": iso(time.time()),
        "state": progress.shown_state.value,
        "mongoConnected": progress.mongo_connected,
        "kafkaConnected": progress.kafka_connected,
        "events": dict(counts.operations),
        "messagesCommitted": counts.messages,
        "eventsPerSecond": progress.events_per_second,
        "bufferSize": under_way.events,
        "queueMessages": under_way.messages,
        "queueBytes": under_way.bytes,
        "sequence": progress.sequence,
        "lagSeconds": standing.lag_seconds,
        "headroomSeconds": standing.headroom_seconds,
        "oplogFull": standing.oplog_full,
        "serverTime": standing.server_seconds,
        "positionTime": standing.saved_seconds,
        "lastPollAt": _iso(standing.polled_at),
        "lastEventAt": _iso(progress.last_event_at),
        "lastCommitAt": _iso(progress.last_commit_at),
        "batchSize": progress.batch_size,
        "commitSeconds": progress.commit_seconds,
        "errors": sum(counts.errors.values()),
        "reopens": counts.outages,
        "restarts": past.restarts,
        "bugs": past.bugs,
        "fruitless": past.fruitless,
        "gaps": gaps.total,
        "lastGapAt": gaps.last_at,
        "lastError": progress.last_error,
        "rssBytes": resident_bytes(),
        "cpuSeconds": cpu_seconds(),
    }


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)
