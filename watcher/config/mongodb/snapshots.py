"""Checks of what a snapshot is to read, as far as that can be told from names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from watcher.config.fault import Refused, did_you_mean
from watcher.config.mongodb.collections import is_glob, is_watched
from watcher.config.mongodb.databases import misplaced
from watcher.config.mongodb.scope import Scope


def snapshot_refusals(good: Mapping[str, Any], scope: Scope) -> Iterator[Refused]:
    """Yield a refusal for each collection that a snapshot is to read, or to filter, and that no snapshot reads. `good` holds the
    values that are good themselves."""
    if not good.keys() >= {"watch_collections", "exclude_collections", "snapshot_collections"}:
        return
    chosen, filters = good["snapshot_collections"], good.get("snapshot_filter", {})
    if scope.is_shared:
        yield from (refused.within("snapshot_collections") for _, refused in _unwatched(chosen, scope))
        yield from (refused.within(f"snapshot_filter.{name}") for name, refused in _unwatched(filters, scope))
        return
    watch, exclude = scope.watch_collections, scope.exclude_collections
    yield from (refused.within("snapshot_collections") for refused in unwatched_patterns(chosen, watch, exclude))
    yield from (refused.within("snapshot_filter") for refused in unwatched_filters(filters, watch, exclude, chosen))


def _unwatched(texts: Iterable[str], scope: Scope) -> Iterator[tuple[str, Refused]]:
    """Yield each name or glob that can mean no watched collection of several databases, with its refusal."""
    for text in texts:
        if refused := misplaced(text, scope):
            yield text, refused
        elif not scope.may_watch(text):
            yield text, Refused(f"has '{text}', which is not watched", hint=_way(text, scope.watch_collections))


def unwatched_patterns(chosen: Iterable[str], watch: Iterable[str], exclude: Iterable[str]) -> Iterator[Refused]:
    """Yield a refusal for each name, and each glob, of which no watched collection can be.

    Two globs may always have a name in common; that is left to `watcherctl doctor`, which knows the names there are.
    """
    watch, exclude = tuple(watch), tuple(exclude)
    known = [name for name in watch if is_watched(name, watch, exclude)]
    for pattern in chosen:
        possible = any(map(is_glob, known)) or not watch if is_glob(pattern) else is_watched(pattern, watch, exclude)
        if not possible and not any(is_watched(name, (pattern,), ()) for name in known):
            yield Refused(f"has '{pattern}', which is not watched", hint=_way(pattern, known))


def unwatched_filters(
    names: Iterable[str], watch: Iterable[str], exclude: Iterable[str], chosen: Iterable[str]
) -> Iterator[Refused]:
    """Yield a refusal for each filter of a collection that is not watched, or that snapshot_collections does not choose."""
    watch, exclude, chosen = tuple(watch), tuple(exclude), tuple(chosen)
    for name in names:
        if not is_watched(name, watch, exclude):
            yield Refused(f"'{name}' is not watched", hint=_way(name, watch), key=name)
        elif not is_watched(name, chosen, ()):
            yield Refused("snapshot_collections does not choose it", hint="add it there, or remove the filter", key=name)


def _way(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or "a snapshot reads only what watch_collections and exclude_collections let through"
