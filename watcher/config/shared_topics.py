"""Topics of several watchers that cannot exist side by side in one Kafka, or that must not be shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

from watcher.config.draft import Draft
from watcher.config.fault import Fault
from watcher.config.settings import Settings
from watcher.config.topics.name import folded, topic_name
from watcher.operations import ROW_OPERATIONS


def refuse_shared_topics(drafts: Sequence[Draft], settings: Mapping[str, Settings | None]) -> None:
    """Add a fault to each draft with another watcher's position topic, with a topic that Kafka would take for another's topic, or
    with topics in which documents of two databases could not be told apart.

    Other topics named after collections are not checked: the worker gives those that collide another name.
    """
    known = [(draft, value) for draft in drafts if (value := settings[draft.name])]
    for (draft, ours), (other, theirs) in permutations(known, 2):
        if _in_one_kafka(ours, theirs):
            draft.faults.extend(_faults(draft, ours, other.name, theirs))
            draft.faults.extend(_indistinct_documents(draft, ours, other.name, theirs))


def _in_one_kafka(ours: Settings, theirs: Settings) -> bool:
    return not set(ours.kafka_brokers.split(",")).isdisjoint(theirs.kafka_brokers.split(","))


def _faults(draft: Draft, ours: Settings, other: str, theirs: Settings) -> Iterator[Fault]:
    folds = {folded(topic): topic for topic in theirs.configured_topics}
    for topic, key in ours.configured_topics.items():
        same = folds.get(folded(topic))
        in_position = (topic == ours.position_topic, same == theirs.position_topic)
        if in_position == (False, True):
            yield _fault(draft, key, f"'{topic}' is where {other} keeps its position")
        elif same not in (None, topic) and in_position != (True, False):  # (True, False) is reported for the other watcher
            yield _fault(draft, key, f"'{topic}' and '{same}' of {other} differ only in . and _, and are one topic to Kafka")


def _indistinct_documents(draft: Draft, ours: Settings, other: str, theirs: Settings) -> Iterator[Fault]:
    if "document" in (ours.envelope, theirs.envelope) and ours.database != theirs.database:
        for topic in sorted(_topics_of_documents(ours) & _topics_of_documents(theirs)):
            text = f"'{topic}' is also the topic of {other}, and nothing in the message of a document alone names its database"
            yield _fault(draft, "kafka_topic_insert", text)


def _topics_of_documents(settings: Settings) -> set[str]:
    """The topics of row changes; each `{collection}` stands for any."""
    return {topic_name(settings.topic_templates[operation], operation, settings.database) for operation in ROW_OPERATIONS}


def _fault(draft: Draft, key: str, text: str) -> Fault:
    shared = key not in draft.entries and "kafka_db_changes_topic" in draft.entries
    key = "kafka_db_changes_topic" if shared else key
    origin = draft.entries[key].origin if key in draft.entries else draft.place
    return Fault(origin, draft.spell(key), text, "give it another name")
