"""Differences between the programs that conf.d/ asks for and those that supervisord runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from watcher.config.settings import Settings
from watcher.fleet.changes.formats import FormatChange, format_changes
from watcher.fleet.changes.watched import newly_watched
from watcher.fleet.programs import same_worker

T = TypeVar("T")
Tell = Callable[[str, Settings], Sequence[T]]


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """Differences between `conf.d/` and what supervisord runs, as sorted names. `started` are those that `apply` starts.
    `admitted` holds the collections that changed watchers watch newly, and `formats` what they write in another way, as far as that
    is known."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    started: tuple[str, ...] = ()
    admitted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    formats: Mapping[str, Sequence[FormatChange]] = field(default_factory=dict)


def compare(
    wanted: Mapping[str, str], current: Mapping[str, str], known: Collection[str], faulty: Collection[str] = ()
) -> ConfigChanges:
    """Compare the wanted program texts with the current ones. A faulty watcher is neither removed nor changed: it keeps running."""
    both = wanted.keys() & set(known)
    changed = {name for name in both if not same_worker(current.get(name, ""), wanted[name])}
    return ConfigChanges(
        added=tuple(sorted(wanted.keys() - set(known))),
        changed=tuple(sorted(changed)),
        removed=tuple(sorted(set(known) - wanted.keys() - set(faulty))),
        unchanged=tuple(sorted(both - changed)),
    )


def with_meaning(changes: ConfigChanges, watchers: Iterable[Settings], current: Mapping[str, str]) -> ConfigChanges:
    """Return the changes with what they mean to readers, by the watchers' settings and the current program texts."""
    changed = [settings for settings in watchers if settings.name in changes.changed]
    return replace(changes, admitted=told(newly_watched, changed, current), formats=told(format_changes, changed, current))


def told(tell: Tell[T], watchers: Iterable[Settings], current: Mapping[str, str]) -> dict[str, Sequence[T]]:
    """Remarks of `tell` about each watcher, by its current program text and its settings, where it says anything."""
    found = {settings.name: tell(current.get(settings.name, ""), settings) for settings in watchers}
    return {name: remarks for name, remarks in found.items() if remarks}
