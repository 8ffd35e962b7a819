"""Topics of several watchers that cannot exist side by side in one Kafka, or that must not be shared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

from watcher.config.draft import Draft
from watcher.config.fault import Fault
from watcher.config.formats import is_compacted, watches_one
from watcher.config.settings import Settings
from watcher.config.topics.name import folded, topic_name
from watcher.operations import ROW_OPERATIONS


class _Watcher(NamedTuple):
    """A watcher's topics, each with its setting, and where they are."""

    draft: Draft
    brokers: frozenset[str]
    position: str
    topics: Mapping[str, str]
    settings: Settings


def refuse_shared_topics(drafts: Sequence[Draft], settings: Mapping[str, Settings | None]) -> None:
    """Add a fault to each draft with another watcher's position topic, with a topic that Kafka would take for another's topic, or
    with topics in which documents of two databases or collections could not be told apart.

    Other topics named after collections are not checked: the worker gives those that collide another name.
    """
    watchers = [_watcher(draft, value) for draft in drafts if (value := settings[draft.name])]
    for ours, theirs in permutations(_concerned(watchers), 2):
        if not ours.brokers.isdisjoint(theirs.brokers):
            ours.draft.faults.extend(_faults(ours, theirs))
    _refuse_indistinct_documents(watchers)


def _watcher(draft: Draft, settings: Settings) -> _Watcher:
    brokers = frozenset(settings.kafka_brokers.split(","))
    return _Watcher(draft, brokers, settings.position_topic, settings.configured_topics, settings)


def _concerned(watchers: Sequence[_Watcher]) -> list[_Watcher]:
    """Return those with a topic that others spell or use in another way. Among hundreds these are few, and all pairs are many."""
    uses: defaultdict[str, set[tuple[str, bool]]] = defaultdict(set)
    for each in watchers:
        for topic in each.topics:
            uses[folded(topic)].add((topic, topic == each.position))
    return [each for each in watchers if any(len(uses[folded(topic)]) > 1 for topic in each.topics)]


def _faults(ours: _Watcher, theirs: _Watcher) -> Iterator[Fault]:
    folds = {folded(topic): topic for topic in theirs.topics}
    for topic, key in ours.topics.items():
        same = folds.get(folded(topic))
        in_position = (topic == ours.position, same == theirs.position)
        other = theirs.draft.name
        if in_position == (False, True):
            yield _fault(ours.draft, key, f"'{topic}' is where {other} keeps its position")
        elif same not in (None, topic) and in_position != (True, False):  # (True, False) is reported for the other watcher
            yield _fault(ours.draft, key, f"'{topic}' and '{same}' of {other} differ only in . and _, and are one topic to Kafka")


def _refuse_indistinct_documents(watchers: Sequence[_Watcher]) -> None:
    """Add a fault to each watcher one of whose topics also has documents of another database, or of other collections of the same
    one, with nothing to tell them apart."""
    sharing: defaultdict[str, list[_Watcher]] = defaultdict(list)
    if any(_has_indistinct_keys(each.settings) for each in watchers):
        for each in watchers:
            for topic in _topics_of_documents(each.settings):
                sharing[topic].append(each)
    for topic, group in sorted(sharing.items()):
        if any(_has_indistinct_keys(each.settings) for each in group):
            for ours, theirs in permutations(group, 2):
                ours.draft.faults.extend(_indistinct_documents(topic, ours, theirs))


def _indistinct_documents(topic: str, ours: _Watcher, theirs: _Watcher) -> Iterator[Fault]:
    needs_names = _has_indistinct_keys(ours.settings) or _has_indistinct_keys(theirs.settings)
    apart = _what_sets_apart(topic, ours.settings, theirs.settings)
    if needs_names and apart and not ours.brokers.isdisjoint(theirs.brokers):
        name = theirs.draft.name
        is_bare = "document" in (ours.settings.envelope, theirs.settings.envelope)
        why = "nothing in the message of a document alone" if is_bare else "it is compacted, while nothing in a key"
        text = f"'{topic}' is also the topic of {name}, and {why} names its {apart}"
        yield _fault(ours.draft, "kafka_topic_insert", text)


def _what_sets_apart(topic: str, ours: Settings, theirs: Settings) -> str:
    """Return what two watchers with the same topic may have different ones of: "database" or "collection", or nothing."""
    if ours.database != theirs.database:
        return "database"
    is_same = ours.watch_collections == theirs.watch_collections and watches_one(ours.watch_collections)
    return "" if "{collection}" in topic or is_same else "collection"


def _has_indistinct_keys(settings: Settings) -> bool:
    """Tell whether documents with the same `_id` would take each other's place in a topic, for readers or as it is compacted."""
    compacted = settings.envelope != "generic" and is_compacted(settings.topic_config)
    return settings.envelope == "document" or compacted


def _topics_of_documents(settings: Settings) -> set[str]:
    """Return the topics of row changes; each `{collection}` stands for any."""
    return {topic_name(settings.topic_templates[operation], operation, settings.scope.single) for operation in ROW_OPERATIONS}


def _fault(draft: Draft, key: str, text: str) -> Fault:
    shared = key not in draft.entries and "kafka_db_changes_topic" in draft.entries
    key = "kafka_db_changes_topic" if shared else key
    origin = draft.entries[key].origin if key in draft.entries else draft.place
    return Fault(origin, draft.spell(key), text, "give it another name")
