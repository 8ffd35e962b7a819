"""Remarks of the commands that start watchers: what a change of conf.d means to readers, and what is sent twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote

from watcher.cli.fleet.outcomes import Outcomes
from watcher.config import Settings
from watcher.config.overlaps import Overlap, overlaps
from watcher.fleet.changes.formats import FormatChange
from watcher.fleet.changes.watched import ALL_COLLECTIONS
from watcher.fleet.control import Fleet
from watcher.fleet.survey import Supervised
from watcher.fleet.troubles import DISABLED, UNAPPLIED

NOT_COPIED = "newly watched; the documents that are there already are not copied. To copy them: watcherctl snapshot start"


def tell_formats(formats: Mapping[str, Sequence[FormatChange]], outcomes: Outcomes) -> None:
    """Tell what each watcher will write in another way than before."""
    for name, changes in formats.items():
        for change in changes:
            outcomes.tell(name, f"{change.name} changes: {change.meaning}", formats=[each.name for each in changes])


def tell_newly_watched(admitted: Mapping[str, Sequence[str]], outcomes: Outcomes) -> None:
    """Tell which collections each watcher watches newly, and the command that copies them."""
    for name, collections in admitted.items():
        chosen = [] if ALL_COLLECTIONS in collections else [f"--collection {quote(each)}" for each in collections]
        text = f"{_in_words(collections)}: {' '.join([NOT_COPIED, name, *chosen])}"
        outcomes.tell(name, text, newlyWatched=list(collections))


def _in_words(collections: Sequence[str]) -> str:
    """Name what is watched newly. Where no choice is left, what else changes is part of all collections."""
    if ALL_COLLECTIONS not in collections:
        return ", ".join(collections)
    others = ", ".join(each for each in collections if each != ALL_COLLECTIONS)
    return f"{ALL_COLLECTIONS} instead of some" + (f" (also {others})" if others else "")


def tell_as_before(fleet: Fleet, starting: Sequence[Settings], supervised: Supervised, outcomes: Outcomes) -> None:
    """Tell which of the watchers to start run already, with older settings, and which do not come back with supervisord."""
    unapplied = fleet.unapplied(starting) & supervised.running
    for name in (each.name for each in starting):
        if name in unapplied:
            outcomes.tell(name, f"{UNAPPLIED.text}; {UNAPPLIED.hint}", unapplied=True)
        if name in fleet.disabled:
            outcomes.tell(name, f"{DISABLED.text}; {DISABLED.hint_for([name])}", enabled=False)


def tell_not_shared(fleet: Fleet, outcomes: Outcomes) -> None:
    """Tell why the fleet could not be opened to the group of its settings, if so."""
    if (error := fleet.not_shared) is not None:
        outcomes.add_fault(error)


def tell_overlaps(watchers: Iterable[Settings], starting: Iterable[Settings], supervised: Supervised, outcomes: Outcomes) -> None:
    """Tell which of the watchers about to start will send what another one sends that starts too or runs. One that is down does not
    count: while a database is moved, there are two."""
    names = {each.name for each in starting}
    active = (each for each in watchers if each.name in names | supervised.running)
    found = defaultdict[str, list[Overlap]](list)
    for overlap in overlaps(active):
        seen = overlap if overlap.watcher in names else overlap.reversed
        if seen.watcher in names:
            found[seen.watcher].append(seen)
    for name, those in found.items():
        for each in those:
            outcomes.tell(name, f"{each.text}; {each.hint}", sentBy=[other.other for other in those])
