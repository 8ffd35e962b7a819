"""Metrics of a worker for Prometheus, in `run/<name>.prom`. `docs/metrics.md` has the same table, with the agent's own metrics."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping

from watcher import __version__
from watcher.kafka.properties import LIBRDKAFKA_VERSION
from watcher.log import dropped_records
from watcher.mongodb.client import PYMONGO_VERSION
from watcher.status.report import WorkerState
from watcher.status.snapshot_status import STATES, SnapshotStatus
from watcher.worker.reporting import resources
from watcher.worker.reporting.databases import Busiest
from watcher.worker.reporting.exposition import Metric, Value, exposition
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_report import shown_snapshot

BUILD = (__version__, sys.version.split()[0], LIBRDKAFKA_VERSION, PYMONGO_VERSION)

OTHERS = "other"
"""Label of all databases but the busiest."""

Reader = Callable[[Progress], Value]

IDENTITY: Mapping[Metric, Reader] = {
    Metric(
        "watcher_build_info", "gauge", "Always 1; the labels are versions.", ("version", "python", "librdkafka", "pymongo")
    ): lambda _: {BUILD: 1},
    Metric(
        "watcher_info", "gauge", "Always 1; the labels say what the watcher is.", ("database", "client_id", "host")
    ): lambda worker: {(worker.settings.database, worker.settings.kafka_client_id, worker.owner.host): 1},
    Metric("watcher_state", "gauge", "1 for the state of the worker, 0 for the other states.", ("state",)): lambda worker: {
        state.value: int(state is worker.shown_state) for state in WorkerState
    },
    Metric(
        "watcher_restarts_total",
        "counter",
        "Starts after a crash, since somebody last started the watcher: by a `bug`, or `killed` by a signal.",
        ("reason",),
    ): lambda worker: {"bug": worker.previous_run.bugs, "killed": worker.previous_run.restarts - worker.previous_run.bugs},
}

TRAFFIC: Mapping[Metric, Reader] = {
    Metric(
        "watcher_events_total", "counter", "Messages committed, by operation; what is no row's is `control`.", ("operation",)
    ): lambda worker: dict(worker.counters.operations),
    Metric(
        "watcher_events_filtered_total",
        "counter",
        "Events that the worker itself left out. Always 0: MongoDB does the filtering, and does not count.",
    ): lambda _: 0,
    Metric("watcher_source_bytes_total", "counter", "Bytes of change events read from MongoDB, as BSON."): lambda worker: (
        worker.counters.source_bytes
    ),
    Metric(
        "watcher_messages_committed_total",
        "counter",
        "Messages committed, by topic; of watchers of several databases by the setting's text, such as `{database}.{collection}`.",
        ("topic",),
    ): lambda worker: dict(worker.counters.topics),
    Metric("watcher_sequence", "gauge", "Number of the last message, over all processes."): lambda worker: worker.sequence,
    Metric(
        "watcher_event_age_seconds",
        "histogram",
        "From the change, by MongoDB's clock, to its commit in Kafka, by this host's.",
    ): lambda worker: worker.counters.age_seconds,
}

DATABASES: Mapping[Metric, Reader] = {
    Metric(
        "watcher_database_events_per_second",
        "gauge",
        "Messages committed in a second, over the last 10 s: of the ten busiest databases, and of all `other` ones together. "
        "Only of watchers of several databases.",
        ("database",),
    ): lambda worker: _rates(worker.busiest()) if worker.databases else None,
    Metric(
        "watcher_database_lag_seconds",
        "gauge",
        "How old the last change was when it was committed: of the ten busiest databases. Only of watchers of several databases.",
        ("database",),
    ): lambda worker: {each.name: each.lag_seconds for each in worker.busiest().databases} if worker.databases else None,
}

LAG: Mapping[Metric, Reader] = {
    Metric("watcher_lag_seconds", "gauge", "How far Kafka is behind MongoDB, by MongoDB's clock."): lambda worker: (
        worker.lag.seconds
    ),
    Metric("watcher_last_event_timestamp_seconds", "gauge", "When the last committed change was made."): lambda worker: (
        worker.last_event_at
    ),
    Metric(
        "watcher_last_commit_timestamp_seconds", "gauge", "When the last transaction was committed, also one without messages."
    ): lambda worker: worker.last_commit_at,
    Metric("watcher_last_poll_timestamp_seconds", "gauge", "When MongoDB last answered."): lambda worker: worker.lag.polled_at,
    Metric("watcher_server_timestamp_seconds", "gauge", "MongoDB's own time at its last answer."): lambda worker: (
        worker.lag.server_seconds
    ),
    Metric("watcher_resume_token_timestamp_seconds", "gauge", "MongoDB's time of the committed position."): lambda worker: (
        worker.lag.saved_seconds
    ),
    Metric(
        "watcher_oplog_window_seconds",
        "gauge",
        "How long MongoDB's oplog holds changes, or longer until it is full. Absent where MongoDB does not tell.",
    ): lambda worker: worker.lag.window_seconds,
    Metric(
        "watcher_oplog_full",
        "gauge",
        "1 if MongoDB's oplog forgets old changes for new ones, 0 until it is full. Absent where MongoDB does not tell.",
    ): lambda worker: None if worker.lag.oplog_full is None else int(worker.lag.oplog_full),
    Metric(
        "watcher_oplog_headroom_seconds",
        "gauge",
        "How much older the position may become, or more until the oplog is full; below 0 it is lost. Absent as the others.",
    ): lambda worker: worker.lag.headroom_seconds,
}

DELIVERY: Mapping[Metric, Reader] = {
    Metric(
        "watcher_transactions_total",
        "counter",
        "Transactions: `committed`, or `aborted` when the commit failed or its fate is unknown.",
        ("result",),
    ): lambda worker: dict(worker.counters.transactions),
    Metric("watcher_transaction_commit_seconds", "histogram", "From the begin of a transaction to its end."): lambda worker: (
        worker.counters.commit_seconds
    ),
    Metric(
        "watcher_transaction_messages", "histogram", "Messages of a committed transaction; 0 when it saved the position alone."
    ): lambda worker: worker.counters.transaction_messages,
    Metric("watcher_queue_messages", "gauge", "Messages that wait for their commit."): lambda worker: worker.in_flight.messages,
    Metric("watcher_queue_bytes", "gauge", "Bytes of the messages that wait for their commit."): lambda worker: (
        worker.in_flight.bytes
    ),
    Metric(
        "watcher_backpressure_seconds_total", "counter", "How long reading was held back because Kafka was behind."
    ): lambda worker: worker.counters.backpressure_seconds,
    Metric(
        "watcher_kafka_throttle_seconds_total", "counter", "How long Kafka has held back writes, because a quota is used up."
    ): lambda worker: worker.throttling.seconds,
}

TROUBLES: Mapping[Metric, Reader] = {
    Metric(
        "watcher_reopens_total",
        "counter",
        "Streams opened again: after an outage of `mongodb`, `kafka` or `schema-registry`, or an `invalidate`, when the database "
        "was dropped.",
        ("reason",),
    ): lambda worker: dict(worker.counters.reopens),
    Metric(
        "watcher_errors_total",
        "counter",
        "Errors of `mongodb` and `kafka` by their own or their driver's name, those of the `schema-registry`, and of the `worker` "
        "by its error's.",
        ("component", "code"),
    ): lambda worker: dict(worker.counters.errors),
    Metric(
        "watcher_dead_letters_total",
        "counter",
        "Events that were not delivered whole: `too_large_for_kafka`, `too_large_for_mongodb`; or not at all: `pipeline_failed`, "
        "`transform_failed`.",
        ("reason",),
    ): lambda worker: dict(worker.counters.dead_letters),
    Metric("watcher_gaps_total", "counter", "Gaps in the stream that the watcher went on after: changes are missing."): (
        lambda worker: worker.gaps.total
    ),
    Metric("watcher_log_dropped_total", "counter", "Log records that were not written, because nobody read them in time."): (
        lambda _: dropped_records()
    ),
}

SNAPSHOTS: Mapping[Metric, Reader] = {
    Metric(
        "watcher_snapshot_state",
        "gauge",
        "1 for the state of the snapshot under way or of the last one, 0 for the others.",
        ("state",),
    ): lambda worker: _of_snapshot(worker, lambda snapshot: {state: int(state == snapshot.state) for state in STATES}),
    Metric(
        "watcher_snapshot_delivered_documents", "gauge", "Documents of the snapshot that are in Kafka. Absent without a snapshot."
    ): lambda worker: _of_snapshot(worker, lambda snapshot: snapshot.documents),
    Metric(
        "watcher_snapshot_estimated_documents",
        "gauge",
        "About how many there will be. Absent without a snapshot under way, and where a query chooses.",
    ): lambda worker: _of_snapshot(worker, lambda snapshot: snapshot.estimate),
    Metric(
        "watcher_snapshot_start_time_seconds", "gauge", "When the snapshot was begun. Absent without a snapshot."
    ): lambda worker: _of_snapshot(worker, lambda snapshot: snapshot.started_at.timestamp() if snapshot.started_at else None),
    Metric("watcher_snapshot_documents_total", "counter", "Documents that the process has delivered for snapshots."): (
        lambda worker: worker.snapshots.documents
    ),
    Metric(
        "watcher_snapshots_total", "counter", "Snapshots that ended: only a `completed` one holds everything.", ("state",)
    ): lambda worker: dict(worker.snapshots.ended),
}

PROCESS: Mapping[Metric, Reader] = {
    Metric("watcher_process_resident_memory_bytes", "gauge", "Resident memory."): lambda _: resources.resident_bytes(),
    Metric("watcher_process_cpu_seconds_total", "counter", "CPU time, user's and system's."): lambda _: resources.cpu_seconds(),
    Metric("watcher_process_start_time_seconds", "gauge", "When the worker was started."): lambda worker: worker.started_at,
    Metric("watcher_process_open_fds", "gauge", "Open file descriptors."): lambda _: resources.open_files(),
    Metric("watcher_process_threads", "gauge", "Threads, those of the libraries too."): lambda _: resources.threads(),
}

METRICS: Mapping[Metric, Reader] = {**IDENTITY, **TRAFFIC, **DATABASES, **LAG, **DELIVERY, **TROUBLES, **SNAPSHOTS, **PROCESS}


def _rates(busiest: Busiest) -> Mapping[str, float]:
    rates = defaultdict(float, {OTHERS: busiest.others_per_second})
    for each in busiest.databases:
        rates[each.name] += each.events_per_second  # one of them may be called OTHERS
    return rates


def _of_snapshot(worker: Progress, value: Callable[[SnapshotStatus], Value]) -> Value:
    snapshot = shown_snapshot(worker)
    return None if snapshot is None else value(snapshot)


def metrics(progress: Progress) -> str:
    """Return the present content of the file, in Prometheus' text format."""
    values = {metric: read(progress) for metric, read in METRICS.items()}
    return exposition(values, {"watcher": progress.settings.name})
