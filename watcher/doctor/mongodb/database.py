"""Checks that a change stream on a watcher's databases opens, and for how long it can be resumed."""

from __future__ import annotations

import contextlib

from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.mongodb.collections import collections, images
from watcher.doctor.mongodb.rights import grant_all, missing_rights, privileges_of, without_lists
from watcher.doctor.mongodb.server import LOGGED_IN, Mongodb, grant, user_of
from watcher.errors import ConfigurationError, NotPermitted
from watcher.mongodb.change_stream import ChangeStream
from watcher.mongodb.client import CommandSession
from watcher.snapshot.documents import StreamDocuments
from watcher.terminal.durations import seconds_in_words

GOOD_OPLOG_SECONDS = 24 * 3600
"""Length of the oplog, in seconds, below which there is a warning. A weekend would be better, but a watcher should at least be able
to be away for a night.
"""
LEAST_OPLOG_BYTES = 990 * 1024 * 1024
"""MongoDB's own smallest size of the oplog, which it uses on a small disk."""


def privileges(mongodb: Mongodb) -> Finding:
    """Check that a change stream opens, with everything that the settings ask for."""
    scope = mongodb.settings.scope
    try:
        with contextlib.closing(ChangeStream(mongodb.settings)) as stream:
            stream.open_now()
    except NotPermitted as error:
        if scope.single is not None:
            return failed(str(error), grant(mongodb, "read", scope.single))
        return failed("\n".join([str(error), *missing_rights(privileges_of(mongodb))]), grant_all(mongodb))
    opened = f"a change stream on {scope.single or 'all databases'} opens with these settings"
    if scope.is_shared and user_of(mongodb) and (unseen := [*without_lists(privileges_of(mongodb))]):
        return warning(f"{opened}, but snapshots and verify see only some without {' and '.join(unseen)}", grant_all(mongodb))
    return ok(opened)


def snapshot_filters(mongodb: Mongodb) -> Finding:
    """Check that MongoDB takes the queries of snapshots."""
    filters = mongodb.settings.snapshot_filter
    if not filters:
        return not_checked("because the settings have none")
    with contextlib.closing(CommandSession(mongodb.settings)) as session:
        try:
            StreamDocuments(session, mongodb.settings).try_out(filters)
        except ConfigurationError as error:
            return failed(str(error), error.hint)
    return ok(f"MongoDB takes the queries for {', '.join(sorted(filters))}")


def oplog(mongodb: Mongodb) -> Finding:
    """Check that the oplog reaches back far enough for a watcher that was away."""
    with contextlib.closing(ChangeStream(mongodb.settings)) as stream:
        oplog = stream.oplog()
    if oplog is None or oplog.size is None or oplog.max_size is None:
        return _unknown_oplog(mongodb)
    window = oplog.window_seconds(mongodb.admin("ping")["operationTime"].time)
    return judge_oplog(window, oplog.size, oplog.max_size, full=oplog.is_full)


def _unknown_oplog(mongodb: Mongodb) -> Finding:
    if "Mongos" in mongodb.server_types().values():
        return not_checked("because it is a sharded cluster, and each shard has an oplog of its own")
    fix = grant(mongodb, "clusterMonitor", "admin")
    if mongodb.settings.start_from == "earliest":
        return failed('start_from = "earliest" needs the role clusterMonitor', fix)
    return not_checked("because that needs the role clusterMonitor, as HEADROOM in the status does", fix)


def judge_oplog(window_seconds: int, size: int, max_size: int, *, full: bool) -> Finding:
    """Judge the oplog; sizes are in bytes. Only a full oplog has a window. Before that, only its size says something."""
    window, megabytes = seconds_in_words(window_seconds), max_size // 2**20
    larger = "mongosh: db.adminCommand({replSetResizeOplog: 1, size: Double(16384), minRetentionHours: 48})"
    if full and window_seconds < GOOD_OPLOG_SECONDS:
        return warning(f"{megabytes} MB hold only {window}: a watcher that is away for longer loses its position", larger)
    if max_size < LEAST_OPLOG_BYTES:
        return warning(f"it may hold only {megabytes} MB, which many writes fill soon; it reaches back {window}", larger)
    used = min(100, round(100 * size / max_size))
    return ok(f"{used}% of {megabytes} MB are used; it reaches back {window}")


OPENS = "mongodb.privileges"

CHECKS: tuple[Check[Mongodb], ...] = (
    Check(OPENS, privileges, needs=(LOGGED_IN,)),
    Check("mongodb.collections", collections, needs=(OPENS,)),
    Check("mongodb.images", images, needs=(OPENS,)),
    Check("mongodb.snapshot-filters", snapshot_filters, needs=(OPENS,)),
    Check("mongodb.oplog", oplog, needs=(OPENS,)),
)
