"""A worker's report for its status file."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from watcher.status.report import StatusReport
from watcher.status.snapshot_status import SnapshotStatus
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.resources import cpu_seconds, resident_bytes


def status_report(progress: Progress) -> StatusReport:
    """Report what the worker does at this moment."""
    settings, owner, previous, gaps = progress.settings, progress.owner, progress.previous_run, progress.gaps
    counters, lag, in_flight, active = progress.counters, progress.lag, progress.in_flight, progress.others.active
    busiest = progress.busiest()
    return StatusReport(
        watcher=settings.name,
        client_id=settings.kafka_client_id,
        database=settings.database,
        pid=owner.pid,
        birth=progress.birth,
        instance=owner.instance,
        host=owner.host,
        started_at=datetime.fromtimestamp(progress.started_at, UTC),
        updated_at=datetime.fromtimestamp(time.time(), UTC),
        state=progress.shown_state,
        mongo_connected=progress.mongo_connected,
        kafka_connected=progress.kafka_connected,
        events=dict(counters.operations),
        messages_committed=counters.messages,
        events_per_second=progress.events_per_second,
        buffer_size=in_flight.events,
        queue_messages=in_flight.messages,
        queue_bytes=in_flight.bytes,
        sequence=progress.sequence,
        lag_seconds=lag.seconds,
        headroom_seconds=lag.headroom_seconds,
        oplog_full=lag.oplog_full,
        server_time=lag.server_seconds,
        position_time=lag.saved_seconds,
        last_poll_at=_moment(lag.polled_at),
        last_event_at=_moment(progress.last_event_at),
        last_commit_at=_moment(progress.last_commit_at),
        batch_size=progress.batch_size,
        commit_seconds=progress.commit_seconds,
        delivering_seconds=0.0 if progress.has_ended else round(in_flight.waiting_seconds, 1),
        throttled_seconds=0.0 if progress.has_ended else round(progress.throttling.recent(), 1),
        errors=sum(counters.errors.values()),
        reopens=counters.outages,
        restarts=previous.restarts,
        bugs=previous.bugs,
        fruitless=previous.fruitless,
        gaps=gaps.total,
        last_gap_at=datetime.fromisoformat(gaps.last_at) if gaps.last_at else None,
        snapshot=shown_snapshot(progress),
        databases=busiest.databases,
        database_count=busiest.total,
        active_host=active.owner.host if active else None,
        active_since=datetime.fromisoformat(active.since) if active and active.since else None,
        settings_differ=active.differences if active else (),
        foreigner=progress.others.foreigner,
        last_error=progress.outages.last_error,
        rss_bytes=resident_bytes(),
        cpu_seconds=cpu_seconds(),
    )


def shown_snapshot(progress: Progress) -> SnapshotStatus | None:
    """Tell of the snapshot; of none since standby, because another host goes on with it, and may have ended it by now."""
    return None if progress.stands_by else progress.snapshots.status()


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
