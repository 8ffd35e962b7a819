"""Checks the collections that a watcher watches: that they are there, and what MongoDB keeps of their documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from watcher.config import Settings
from watcher.config.fault import did_you_mean
from watcher.config.mongodb.collections import SYSTEM
from watcher.doctor.check import Finding, failed, not_checked, ok, warning
from watcher.doctor.mongodb.rights import grant_all
from watcher.doctor.mongodb.server import Document, Mongodb, grant
from watcher.doctor.mongodb.unmatched import unmatched
from watcher.errors import NotPermitted, WatcherError
from watcher.mongodb.errors import translated
from watcher.terminal.durations import seconds_in_words

COLLECTION, VIEW, TIME_SERIES = "collection", "view", "timeseries"
NO_CHANGES = {
    VIEW: ("a view", "watch the collections below the view"),
    TIME_SERIES: (
        "a time series",
        "remove it from watch_collections; write the data that must reach Kafka to an ordinary collection as well",
    ),
}
"""Types without a change stream, each in words and with what to do instead."""

MOST_NAMED = 6
"""Collections that a remark names."""

MOST_COMMANDS = 10
"""Collections for which a finding has the commands."""


def collections(mongodb: Mongodb) -> Finding:
    """Check that the collections that the settings name exist, and the databases."""
    settings, scope = mongodb.settings, mongodb.settings.scope
    with translated():
        databases = _databases(mongodb)
        listed = _list_collections(mongodb, databases, nameOnly=True, authorizedCollections=True)
        found = {scope.name_of(database, told["name"]): told["type"] for database, told in listed}
        others = mongodb.client.list_database_names() if scope.single is not None and not found else []
    if scope.single is not None and not found:
        near = did_you_mean(scope.single, others) or "nothing to do if the database is still to be created;"
        return warning(f"there are no collections in a database {scope.single!r}", f"{near} the name is set in {mongodb.uri_key}")
    return judge_collections(found, settings, databases)


def _databases(mongodb: Mongodb) -> list[str]:
    """Return the names of all databases; of a scope of one, that alone."""
    single = mongodb.settings.scope.single
    return [single] if single is not None else sorted(mongodb.client.list_database_names())


def _list_collections(mongodb: Mongodb, databases: Iterable[str], **options: Any) -> Iterator[tuple[str, Document]]:
    for database in filter(mongodb.settings.scope.has_database, databases):
        yield from ((database, told) for told in mongodb.client[database].list_collections(**options))


def judge_collections(found: Mapping[str, str], settings: Settings, databases: Sequence[str] = ()) -> Finding:
    """Judge the collections. `found` holds each one's type by its name within the scope, and `databases` are all that exist.
    All faults are reported at once."""
    own = {name: kind for name, kind in found.items() if not settings.scope.place_of(name)[1].startswith(SYSTEM)}
    ordinary = sorted(name for name, kind in own.items() if kind == COLLECTION)
    watched = [name for name in ordinary if settings.watches(name)]
    others = [name for name in ordinary if not settings.watches(name)]
    troubles = [*unmatched(own, databases, settings), *_without_changes(own, settings)]
    if not watched and not troubles:
        troubles.append(("no collection is left to be watched", "shorten exclude_collections"))
    if troubles:
        texts, fixes = zip(*troubles, strict=True)
        left_out = [f"there, and not watched: {_some(others)}"] if others else []
        return warning("\n".join([*texts, *left_out]), "\n".join(dict.fromkeys(fixes)))
    series = [name for name, kind in own.items() if kind == TIME_SERIES and settings.watches(name)]
    missed = f"; no changes come of the time series {', '.join(series)}" if series else ""
    where = f" in {sum(map(settings.scope.has_database, databases))} databases" if settings.scope.is_shared else ""
    unwatched = f"; not watched: {_some(others)}" if others else ""
    return ok(f"{len(watched)} of {len(own)}{where} are watched: {_some(watched)}{unwatched}{missed}")


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:MOST_NAMED])}{' …' if len(names) > MOST_NAMED else ''}"


def _without_changes(own: Mapping[str, str], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the views and time series that are to be watched, each with what to do. MongoDB has no change stream for these."""
    for pattern in settings.watch_collections:
        matching = [name for name in own if settings.scope.chooses([pattern], name)]
        if matching and all(own[name] != COLLECTION for name in matching):
            for name in matching:
                what, fix = NO_CHANGES.get(own[name], (f"a {own[name]}", "remove it from watch_collections"))
                yield f"{name} is {what}, of which MongoDB tells no changes", fix


def images(mongodb: Mongodb) -> Finding:
    """Check that collections keep pre- and post-images, if the settings want documents from before or right after a change."""
    wanted = {mongodb.settings.full_document, mongodb.settings.full_document_before_change} & {"required", "whenAvailable"}
    if not wanted:
        return not_checked("because the settings want none")
    scope = mongodb.settings.scope
    try:
        with translated():
            listed = list(_list_collections(mongodb, _databases(mongodb), filter={"type": "collection"}))
    except NotPermitted:
        fix = grant_all(mongodb) if scope.single is None else grant(mongodb, "read", scope.single)
        return not_checked("because that needs the right listCollections", fix)
    watched = [(database, told) for database, told in listed if scope.includes(database, told["name"])]
    if not watched:
        return not_checked("because there is no collection to be watched")
    without = sorted((database, str(told["name"])) for database, told in watched if not _keeps_images(told))
    if not without:
        return _how_long_they_are_kept(mongodb)
    fix = "\n".join(_keep_images(*place) for place in without[:MOST_COMMANDS])
    names = ", ".join(scope.name_of(*place) for place in without[:MOST_COMMANDS])
    names += f" and {len(without) - MOST_COMMANDS} more" if len(without) > MOST_COMMANDS else ""
    if "required" in wanted:
        return failed(f"{names}: no pre- and post-images are kept, and the settings require them", fix)
    return warning(f"{names}: no pre- and post-images are kept, so these documents will be missing", fix)


def _keep_images(database: str, collection: str) -> str:
    command = f'{{collMod: "{collection}", changeStreamPreAndPostImages: {{enabled: true}}}}'
    return f'mongosh: db.getSiblingDB("{database}").runCommand({command})'


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
