"""A watcher's MongoDB: whether a change stream on the database opens, and how long it can be gone on with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from watcher.config import Settings
from watcher.config.collections import is_glob, is_watched
from watcher.config.fault import did_you_mean
from watcher.console.durations import seconds_in_words
from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.mongodb import LOGGED_IN, Document, Mongodb, grant
from watcher.errors import NotPermitted, WatcherError
from watcher.stream.change_stream import ChangeStream
from watcher.stream.mongodb_errors import translated

GOOD_OPLOG_SECONDS = 24 * 3600
"""A weekend would be better; a night is what one may be away at least."""
LEAST_OPLOG_BYTES = 990 * 1024 * 1024
"""MongoDB's own least size, which it takes on a small disk."""
FULL = 0.9
"""An oplog that has room left has dropped nothing yet: how far it reaches back tells nothing."""


def privileges(mongodb: Mongodb) -> Finding:
    """A change stream opens, with all that the settings ask for."""
    try:
        with contextlib.closing(ChangeStream(mongodb.settings)) as stream:
            stream.open_now()
    except NotPermitted as error:
        return failed(str(error), grant(mongodb, "read", mongodb.settings.database))
    return ok(f"a change stream on {mongodb.settings.database} opens with these settings")


def collections(mongodb: Mongodb) -> Finding:
    """The collections that the settings name are there."""
    settings = mongodb.settings
    with translated():
        found = {c["name"]: c["type"] for c in _list_collections(mongodb, nameOnly=True, authorizedCollections=True)}
        databases = [] if found else mongodb.client.list_database_names()
    if not found:
        near = did_you_mean(settings.database, databases) or "right if the database is still to come;"
        text = f"there are no collections in a database {settings.database!r}"
        return warning(text, f"{near} the name stands in {mongodb.uri_key}")
    return judge_collections(found, settings)


def _list_collections(mongodb: Mongodb, **options: Any) -> Iterable[Document]:
    return mongodb.client[mongodb.settings.database].list_collections(**options)


def judge_collections(found: Mapping[str, str], settings: Settings) -> Finding:
    """`found` holds each collection's type by its name."""
    own = [name for name in found if not name.startswith("system.")]
    watched = sorted(name for name in own if found[name] == "collection" and settings.watches(name))
    if idle := [
        f"watch_collections: {_not_there(pattern, own)}" for pattern in settings.watch_collections if not _any(pattern, own)
    ]:
        return warning("\n".join(idle), "correct the names; right if the collections are still to come")
    if other := [name for name in settings.watch_collections if found.get(name, "collection") != "collection"]:
        return warning(
            f"{', '.join(other)} is a {found[other[0]]}, of which MongoDB tells no changes", "watch the collections below it"
        )
    if idle := [f"exclude_collections: {_not_there(name, own)}" for name in settings.exclude_collections if not _any(name, own)]:
        return warning("\n".join(idle), "correct the names, or remove them")
    if not watched:
        return warning("no collection is left to be watched", "shorten exclude_collections")
    return ok(f"{len(watched)} of {len(own)} are watched: {', '.join(watched[:6])}{' …' if len(watched) > 6 else ''}")


def _any(pattern: str, names: Iterable[str]) -> bool:
    return any(is_watched(name, [pattern], ()) for name in names)


def _not_there(pattern: str, names: Iterable[str]) -> str:
    hint = "" if is_glob(pattern) else did_you_mean(pattern, names)
    return f"no collection matches {pattern!r}{f'; {hint}' if hint else ''}"


def images(mongodb: Mongodb) -> Finding:
    """Collections keep pre- and post-images, where the settings want the documents before or right after a change."""
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
    """Images can expire before the changes themselves do, and a watcher that requires them cannot go on then."""
    try:
        parameters = mongodb.ask("admin", "getClusterParameter", "changeStreamOptions")["clusterParameters"]
    except WatcherError:  # a right that is missing, or a MongoDB without this parameter
        return ok("every watched collection keeps them")
    seconds = parameters[0].get("preAndPostImages", {}).get("expireAfterSeconds", "off")
    return judge_expiry(seconds, mongodb.settings)


def judge_expiry(seconds: int | str, settings: Settings) -> Finding:
    """`seconds` for which MongoDB keeps images, or "off": as long as the changes."""
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


def oplog(mongodb: Mongodb) -> Finding:
    """The oplog holds enough of the past for a watcher that was away."""
    with contextlib.closing(ChangeStream(mongodb.settings)) as stream:
        oldest = stream.oldest_oplog_seconds()
    if oldest is None:
        return _unknown_oplog(mongodb)
    try:
        size = mongodb.ask("local", "collStats", "oplog.rs")
    except NotPermitted:
        return _unknown_oplog(mongodb)
    now = mongodb.admin("ping")["operationTime"].time
    return judge_oplog(now - oldest, size["size"], size["maxSize"])


def _unknown_oplog(mongodb: Mongodb) -> Finding:
    if "Mongos" in mongodb.server_types().values():
        return not_checked("because it is a sharded cluster, and each shard has an oplog of its own")
    fix = grant(mongodb, "clusterMonitor", "admin")
    if mongodb.settings.start_from == "earliest":
        return failed('start_from = "earliest" needs the role clusterMonitor', fix)
    return not_checked("because that needs the role clusterMonitor, as HEADROOM in the status does", fix)


def judge_oplog(window_seconds: int, size: int, max_size: int) -> Finding:
    """Sizes in bytes. Only an oplog that is full has a window; before that its size alone says something."""
    window, megabytes = seconds_in_words(window_seconds), max_size // 2**20
    larger = "mongosh: db.adminCommand({replSetResizeOplog: 1, size: Double(16384), minRetentionHours: 48})"
    if size >= FULL * max_size and window_seconds < GOOD_OPLOG_SECONDS:
        return warning(f"{megabytes} MB hold only {window}: a watcher that is away for longer loses its position", larger)
    if max_size < LEAST_OPLOG_BYTES:
        return warning(f"it may hold only {megabytes} MB, which many writes fill soon; it reaches back {window}", larger)
    full = min(100, round(100 * size / max_size))
    return ok(f"{full}% of {megabytes} MB are used; it reaches back {window}")


OPENS = "mongodb.privileges"

CHECKS: tuple[Check[Mongodb], ...] = (
    Check(OPENS, privileges, needs=(LOGGED_IN,)),
    Check("mongodb.collections", collections, needs=(OPENS,)),
    Check("mongodb.images", images, needs=(OPENS,)),
    Check("mongodb.oplog", oplog, needs=(OPENS,)),
)
