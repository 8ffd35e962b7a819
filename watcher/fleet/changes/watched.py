"""The choice of collections that a watcher runs with, as a comment in its program, so that `apply` can say what it admits newly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from watcher.config.mongodb.collections import is_glob, is_watched
from watcher.config.mongodb.scope import ALL, Scope
from watcher.config.settings import Settings

_COMMENT = re.compile(r"^; watches (?P<choice>\[.*\])\n", re.MULTILINE)

ALL_COLLECTIONS = "all collections"
"""Says that no choice of collections is left."""


def watched_comment(settings: Settings) -> str:
    """The comment's text: two lists as JSON, what is watched and what is excluded; with several databases, two more of these."""
    databases = [settings.watch_databases, settings.exclude_databases] if settings.scope.is_shared else []
    return "watches " + json.dumps([settings.watch_collections, settings.exclude_collections, *databases])


def without_comment(text: str) -> str:
    """The program without its comment. A change of that alone is none: the digest tells a change of settings."""
    return _COMMENT.sub("", text)


def newly_watched(text: str, settings: Settings) -> list[str]:
    """Names and globs that `settings` admit and the program's text does not; none if an older release wrote the text."""
    found = _COMMENT.search(text)
    if not found:
        return []
    watch, exclude, *databases = map(tuple, json.loads(found["choice"]))
    now = settings.scope
    if not databases:
        return list(dict.fromkeys([] if now.is_shared else _admitted(watch, exclude, settings)))
    watched, excluded = databases
    before = Scope(None, watched, excluded, watch, exclude)
    return list(dict.fromkeys([*_databases(before, now), *_collections(before, now)])) if now.is_shared else []


def _admitted(watch: tuple[str, ...], exclude: tuple[str, ...], settings: Settings) -> Iterator[str]:
    if watch and not settings.watch_collections:
        yield ALL_COLLECTIONS
    for name in (*settings.watch_collections, *exclude):
        if not is_glob(name) and settings.watches(name) and not is_watched(name, watch, exclude):
            yield name
    globs = [glob for glob in settings.watch_collections if watch and glob not in watch]
    globs += [glob for glob in exclude if glob not in settings.exclude_collections]
    yield from filter(is_glob, globs)


def _databases(before: Scope, now: Scope) -> Iterator[str]:
    """Yield the databases that are admitted newly, each as a pattern for its collections."""
    for text in (*now.databases, *before.exclude_databases):
        if is_glob(text):
            is_new = text not in before.databases if text in now.databases else text not in now.exclude_databases
        else:
            is_new = now.has_database(text) and not before.has_database(text)
        if is_new:
            yield f"{text}.{ALL}"


def _collections(before: Scope, now: Scope) -> Iterator[str]:
    """Yield what is admitted newly in the databases that were watched before."""
    if before.watch_collections and not now.watch_collections:
        yield ALL_COLLECTIONS
    added = [text for text in now.watch_collections if before.watch_collections and text not in before.watch_collections]
    allowed = [text for text in before.exclude_collections if text not in now.exclude_collections and now.may_watch(text)]
    yield from (*added, *allowed)
