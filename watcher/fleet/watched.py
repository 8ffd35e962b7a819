"""The choice of collections that a watcher runs with, as a comment in its program, so that `apply` can say what it admits newly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from watcher.config.mongodb.collections import is_glob, is_watched
from watcher.config.settings import Settings

_COMMENT = re.compile(r"^; watches (?P<choice>\[.*\])\n", re.MULTILINE)


def watched_comment(settings: Settings) -> str:
    """The comment's text: two lists as JSON, what is watched and what is excluded."""
    return "watches " + json.dumps([settings.watch_collections, settings.exclude_collections])


def without_comment(text: str) -> str:
    """The program without its comment. A change of that alone is none: the digest tells a change of settings."""
    return _COMMENT.sub("", text)


def newly_watched(text: str, settings: Settings) -> list[str]:
    """Names and globs that `settings` admit and the program's text does not; none if an older release wrote the text."""
    found = _COMMENT.search(text)
    if not found:
        return []
    watch, exclude = json.loads(found["choice"])
    return list(dict.fromkeys(_admitted(watch, exclude, settings)))


def _admitted(watch: list[str], exclude: list[str], settings: Settings) -> Iterator[str]:
    if watch and not settings.watch_collections:
        yield "all collections"
    for name in (*settings.watch_collections, *exclude):
        if not is_glob(name) and settings.watches(name) and not is_watched(name, watch, exclude):
            yield name
    globs = [glob for glob in settings.watch_collections if watch and glob not in watch]
    globs += [glob for glob in exclude if glob not in settings.exclude_collections]
    yield from filter(is_glob, globs)
