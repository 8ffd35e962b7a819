"""Settings that an envelope brings, and those that it cannot go with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from watcher.config.fault import Refused
from watcher.config.mongodb.collections import is_glob
from watcher.config.mongodb.scope import Scope
from watcher.config.topics.name import topic_name, topic_pattern

ROW_TOPICS = ("kafka_topic_insert", "kafka_topic_update", "kafka_topic_delete")
ONE_FOR_EACH_COLLECTION = "{database}.{collection}"

_KEYED = {**dict.fromkeys(ROW_TOPICS, ONE_FOR_EACH_COLLECTION), "kafka_headers": True}

DEFAULTS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "document": _KEYED,
        "debezium": {**_KEYED, "json_format": "strict"},
        "mongodb": {**_KEYED, "json_format": "strict"},
    }
)
"""The defaults of other settings by envelope, where they differ from those of the generic one."""


APART = {"kafka_topic_control": "database-control"}
"""The default of the control topic where documents have topics named after several databases: without a dot it is none of them."""


def defaults(given: Mapping[str, Any]) -> Mapping[str, object]:
    """Return the defaults that follow from the envelope that is given."""
    envelope = given.get("envelope")
    by_envelope = DEFAULTS.get(envelope, {}) if isinstance(envelope, str) else {}
    return {**by_envelope, **APART} if by_envelope and given.get("watch_databases") else by_envelope


def contradictions(good: Mapping[str, Any], scope: Scope) -> Iterator[Refused]:
    """Yield a refusal for each setting that does not go with the envelope; `good` holds the values that are good themselves."""
    envelope = good.get("envelope", "generic")
    if good.get("json_format") == "canonical" and envelope in ("generic", "document"):
        text = f'cannot be canonical with envelope = "{envelope}": it is for readers of the messages of MongoDB\'s connector'
        yield Refused(text, key="json_format", hint="extended or strict, which keep the types too")
    if envelope == "generic":
        return
    if good.get("kafka_headers") is False:
        text = f'must be true with envelope = "{envelope}": such a message has no other place for its sequence and its watcher'
        yield Refused(text, key="kafka_headers", hint="remove this line")
    if envelope == "debezium" and good.get("json_format", "strict") != "strict":
        text = f'cannot be {good["json_format"]} with envelope = "debezium": Debezium writes no other than strict'
        yield Refused(text, key="json_format", hint="remove this line")
    if envelope == "document":
        yield from _document_contradictions(good)
    elif good.get("transform"):
        text = f'cannot be set with envelope = "{envelope}", which tells BSON types: in the plain JSON of a function they are gone'
        yield Refused(text, key="transform", hint="a pipeline, which MongoDB applies, goes with every envelope")
    if good.keys() >= {*ROW_TOPICS, "kafka_topic_control"}:
        yield from _topic_contradictions(good, envelope, scope)


def _document_contradictions(good: Mapping[str, Any]) -> Iterator[Refused]:
    if good.get("full_document") == "default":
        text = 'cannot be default with envelope = "document": an update would have no value'
        yield Refused(text, key="full_document", hint="updateLookup, whenAvailable or required")
    if good.get("full_document_before_change", "off") != "off":
        text = 'must be off with envelope = "document", which has no place for the document before the change'
        yield Refused(text, key="full_document_before_change", hint="remove this line")


def _topic_contradictions(good: Mapping[str, Any], envelope: str, scope: Scope) -> Iterator[Refused]:
    templates = {good[key] for key in ROW_TOPICS}
    hint = f'kafka_db_changes_topic = "{ONE_FOR_EACH_COLLECTION}", and none of kafka_topic_insert, _update and _delete'
    if len(templates) > 1 or any("{operation}" in template for template in templates):
        text = f"'{envelope}' needs one topic for inserts, updates and deletes: a tombstone must follow its document"
        yield Refused(text, key="envelope", hint=hint)
        return
    [template] = templates
    control = topic_name(good["kafka_topic_control"], "drop", scope.single)
    if topic_pattern(template, scope.single).match(control):
        text = f"'{control}' is among the topics of documents ('{template}'), whose readers do not know control messages"
        yield Refused(text, key="kafka_topic_control", hint="give it a name that this template cannot give")
    if scope.is_shared and "{database}" not in template:
        several = "database"
    elif "{collection}" not in template and not watches_one(good.get("watch_collections", ())):
        several = "collection"
    else:
        return
    if envelope == "document":
        each = f"topics for each {several}" if several == "database" else f"a topic for each {several}"
        text = f"'document' needs {each}: nothing in a message of '{template}' would tell them apart"
        yield Refused(text, key="envelope", hint=hint)
    elif is_compacted(good.get("topic_config", {})):
        text = (
            f"cannot compact '{template}', which has the documents of more than one {several}: keys hold the _id alone, so Kafka "
            "would drop a document for another one with the same"
        )
        yield Refused(text, key="topic_config", hint=f'kafka_db_changes_topic = "{ONE_FOR_EACH_COLLECTION}"')


def is_compacted(topic_config: Mapping[str, object]) -> bool:
    """Tell whether topics of documents that the watcher creates keep only the last message of each key."""
    return "compact" in str(topic_config.get("cleanup.policy", ""))


def watches_one(patterns: tuple[str, ...]) -> bool:
    """Tell whether `watch_collections` names a single collection."""
    return len(patterns) == 1 and not is_glob(patterns[0])
