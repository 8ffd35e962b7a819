"""Checks that a change stream on a watcher's database opens, and for how long it can be resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from watcher.config import Settings
from watcher.config.fault import did_you_mean
from watcher.config.mongodb.collections import is_glob, is_watched
from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.mongodb import LOGGED_IN, Document, Mongodb, grant
from watcher.errors import ConfigurationError, NotPermitted, WatcherError
from watcher.mongodb.change_stream import ChangeStream
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionReader
from watcher.mongodb.errors import translated
from watcher.mongodb.snapshot_queries import try_out
from watcher.terminal.durations import seconds_in_words

GOOD_OPLOG_SECONDS = 24 * 3600
"""Length of the oplog, in seconds, below which there is a warning. A weekend would be better, but a watcher should at least be able
to be away for a night.
"""
LEAST_OPLOG_BYTES = 990 * 1024 * 1024
"""MongoDB's own smallest size of the oplog, which it uses on a small disk."""

COLLECTION, VIEW, TIME_SERIES = "collection", "view", "timeseries"
NO_CHANGES = {
    VIEW: ("a view", "watch the collections below the view"),
    TIME_SERIES: (
        "a time series",
        "remove it from watch_collections; write the data that must reach Kafka to an ordinary collection as well",
    ),
}
"""Types without a change stream, each in words and with what to do instead."""


def privileges(mongodb: Mongodb) -> Finding:
    """Check that a change stream opens, with everything that the settings ask for."""
    try:
        with contextlib.closing(ChangeStream(mongodb.settings)) as stream:
            stream.open_now()
    except NotPermitted as error:
        return failed(str(error), grant(mongodb, "read", mongodb.settings.database))
    return ok(f"a change stream on {mongodb.settings.database} opens with these settings")


def collections(mongodb: Mongodb) -> Finding:
    """Check that the collections that the settings name exist."""
    settings = mongodb.settings
    with translated():
        found = {c["name"]: c["type"] for c in _list_collections(mongodb, nameOnly=True, authorizedCollections=True)}
        databases = [] if found else mongodb.client.list_database_names()
    if not found:
        near = did_you_mean(settings.database, databases) or "nothing to do if the database is still to be created;"
        text = f"there are no collections in a database {settings.database!r}"
        return warning(text, f"{near} the name is set in {mongodb.uri_key}")
    return judge_collections(found, settings)


def _list_collections(mongodb: Mongodb, **options: Any) -> Iterable[Document]:
    return mongodb.client[mongodb.settings.database].list_collections(**options)


def judge_collections(found: Mapping[str, str], settings: Settings) -> Finding:
    """Judge the collections. `found` holds each one's type by its name. All faults are reported at once."""
    own = {name: kind for name, kind in found.items() if not name.startswith("system.")}
    watched = sorted(name for name, kind in own.items() if kind == COLLECTION and settings.watches(name))
    troubles = [*_unmatched(own, settings), *_without_changes(own, settings)]
    if not watched and not troubles:
        troubles.append(("no collection is left to be watched", "shorten exclude_collections"))
    if troubles:
        texts, fixes = zip(*troubles, strict=True)
        return warning("\n".join(texts), "\n".join(dict.fromkeys(fixes)))
    series = [name for name, kind in own.items() if kind == TIME_SERIES and settings.watches(name)]
    missed = f"; no changes come of the time series {', '.join(series)}" if series else ""
    return ok(f"{len(watched)} of {len(own)} are watched: {', '.join(watched[:6])}{' …' if len(watched) > 6 else ''}{missed}")


def _unmatched(own: Mapping[str, str], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the settings' names and globs that match nothing, each with what to do."""
    for pattern in settings.watch_collections:
        if not _any(pattern, own):
            yield (
                f"watch_collections: {_not_there(pattern, own)}",
                "correct the names, unless the collections are still to be created",
            )
    for pattern in settings.exclude_collections:
        if not _any(pattern, own):
            yield f"exclude_collections: {_not_there(pattern, own)}", "correct the names, or remove them"


def _without_changes(own: Mapping[str, str], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the views and time series that are to be watched, each with what to do. MongoDB has no change stream for these."""
    for pattern in settings.watch_collections:
        matching = [name for name in own if is_watched(name, [pattern], ())]
        if matching and all(own[name] != COLLECTION for name in matching):
            for name in matching:
                what, fix = NO_CHANGES.get(own[name], (f"a {own[name]}", "remove it from watch_collections"))
                yield f"{name} is {what}, of which MongoDB tells no changes", fix


def _any(pattern: str, names: Iterable[str]) -> bool:
    return any(is_watched(name, [pattern], ()) for name in names)


def _not_there(pattern: str, names: Iterable[str]) -> str:
    hint = "" if is_glob(pattern) else did_you_mean(pattern, names)
    return f"no collection matches {pattern!r}{f'; {hint}' if hint else ''}"


def images(mongodb: Mongodb) -> Finding:
    """Check that collections keep pre- and post-images, if the settings want documents from before or right after a change."""
    wanted = {mongodb.settings.full_document, mongodb.settings.full_document_before_change} & {"required", "whenAvailable"}
    if not wanted:
        return not_checked("because the settings want none")
    try:
        with translated():
            found = list(_list_collections(mongodb, filter={"type": "collection"}))
    except NotPermitted:
        return not_checked("because that needs the right listCollections", grant(mongodb, "read", mongodb.settings.database))
    if not any(mongodb.settings.watches(c["name"]) for c in found):
        return not_checked("because there is no collection to be watched")
    without = sorted(c["name"] for c in found if mongodb.settings.watches(c["name"]) and not _keeps_images(c))
    if not without:
        return _how_long_they_are_kept(mongodb)
    database = f'db.getSiblingDB("{mongodb.settings.database}")'
    commands = [f'{{collMod: "{name}", changeStreamPreAndPostImages: {{enabled: true}}}}' for name in without]
    fix = "\n".join(f"mongosh: {database}.runCommand({command})" for command in commands)
    names = ", ".join(without)
    if "required" in wanted:
        return failed(f"{names}: no pre- and post-images are kept, and the settings require them", fix)
    return warning(f"{names}: no pre- and post-images are kept, so these documents will be missing", fix)


def _how_long_they_are_kept(mongodb: Mongodb) -> Finding:
    """Check how long images are kept. They can expire before the changes do, and then a watcher that requires them cannot go on."""
    try:
        parameters = mongodb.ask("admin", "getClusterParameter", "changeStreamOptions")["clusterParameters"]
    except WatcherError:  # a missing right, or a MongoDB without this parameter
        return ok("every watched collection keeps them")
    seconds = parameters[0].get("preAndPostImages", {}).get("expireAfterSeconds", "off")
    return judge_expiry(seconds, mongodb.settings)


def judge_expiry(seconds: int | str, settings: Settings) -> Finding:
    """Judge the `seconds` for which MongoDB keeps images. "off" means as long as the changes."""
    if seconds == "off":
        return ok("every watched collection keeps them, as long as the changes")
    text = f"every watched collection keeps them, for {seconds_in_words(int(seconds))}"
    if "required" not in (settings.full_document, settings.full_document_before_change):
        return ok(text)
    command = 'db.adminCommand({setClusterParameter: {changeStreamOptions: {preAndPostImages: {expireAfterSeconds: "off"}}}})'
    fix = f'set "whenAvailable" instead of "required", or keep images as long as the changes\nmongosh: {command}'
    return warning(f"{text}: a watcher that is away for longer cannot go on", fix)


def _keeps_images(collection: Document) -> bool:
    return bool(collection.get("options", {}).get("changeStreamPreAndPostImages", {}).get("enabled"))


def snapshot_filters(mongodb: Mongodb) -> Finding:
    """Check that MongoDB takes the queries of snapshots."""
    filters = mongodb.settings.snapshot_filter
    if not filters:
        return not_checked("because the settings have none")
    with contextlib.closing(CommandSession(mongodb.settings)) as session:
        try:
            try_out(CollectionReader(session, mongodb.settings.database), filters)
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
