"""The settings of one watcher, as a frozen value. Field names are the keys of `conf.d/<name>.toml`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from watcher.config.checked import Checked
from watcher.config.checks import at_least, at_most, each, one_of, property_text, secret, table, text, whole_number, yes_or_no
from watcher.config.fault import Invalid, Refused
from watcher.config.formats import contradictions as format_contradictions
from watcher.config.formats import defaults as format_defaults
from watcher.config.kafka.brokers import check_brokers, check_client_id, misread_brokers
from watcher.config.kafka.librdkafka import PropertyValue, check_property, check_value, no_numbers
from watcher.config.masking import Secret
from watcher.config.mongodb.collections import check_pattern, check_watchable, split_list
from watcher.config.mongodb.databases import SCOPE_KEYS, check_database, check_has_stream, out_of_scope, scope_of, scope_refusals
from watcher.config.mongodb.excluded_operations import check_operation, check_some_left
from watcher.config.mongodb.fields import check_field, out_of_reach
from watcher.config.mongodb.pipeline import check_pipeline
from watcher.config.mongodb.queries import check_filtered, check_query
from watcher.config.mongodb.scope import Scope
from watcher.config.mongodb.snapshots import snapshot_refusals
from watcher.config.mongodb.uri import MongodbUri, parse_uri, uri_refusals
from watcher.config.topics.configured import configured_topics, contradictions, is_internal
from watcher.config.topics.name import folded
from watcher.config.topics.template import check_topic
from watcher.config.transform import check_transform
from watcher.operations import ROW_OPERATIONS, TOPIC_OF

SINGLE_TOPICS: Mapping[str, str] = MappingProxyType(
    {"kafka_topic_insert": "database.insert", "kafka_topic_update": "database.update", "kafka_topic_delete": "database.delete"}
)
"""The topic settings of the row operations, with the default of each."""

CONTROL_TOPIC = "database.control"
"""The default topic of all other events."""

TOPIC_KEYS = (*SINGLE_TOPICS, "kafka_topic_control")
_DEFAULT_TOPICS = {**SINGLE_TOPICS, "kafka_topic_control": CONTROL_TOPIC}

TIMES_END = 2**32
"""The end of MongoDB's timestamps, in seconds since 1970: in February 2106."""

CONTROL_PLACEHOLDERS = ("database", "operation")
"""A control message may be about the whole database, so its topic cannot depend on a collection."""


def _uri(uri: Secret) -> Secret:
    if refusals := list(uri_refusals(uri.get_secret_value())):
        raise Invalid(refusals)
    return uri


def _control_topic(template: str) -> str:
    return check_topic(template, CONTROL_PLACEHOLDERS)


def _shared_topic(template: str) -> str:
    return check_topic(template) if template else template


def _partitions(number: int) -> int:
    if number == 0:
        raise Refused("must be 1 or more, or -1 for the broker's own default")
    return number


def _level(value: object) -> object:
    if not isinstance(value, str):
        return value
    return "warning" if value.lower() == "warn" else value.lower()


def _start(value: object) -> object:
    if isinstance(value, str) and value in ("now", "earliest"):
        return value
    with contextlib.suppress(ValueError, OverflowError):  # not a time, or one that would be before year 1 in UTC
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime) and moment.tzinfo is not None and 0 <= moment.timestamp() < TIMES_END:
            return moment.astimezone(UTC)
    raise Refused("must be now, earliest or a time with its zone", hint="for example 2024-01-01T12:00:00Z, from 1970 to 2106")


BrokerDefault = Annotated[int, whole_number, at_least(-1), _partitions]
Topic = Annotated[str, text, check_topic]
Start = Literal["now", "earliest"] | datetime

LogLevel = Literal["debug", "info", "warning", "error"]
Delivery = Literal["exactly-once", "at-least-once"]
EnvelopeName = Literal["generic", "document", "debezium", "mongodb"]
JsonFormat = Literal["plain", "extended", "strict"]
FullDocument = Literal["updateLookup", "whenAvailable", "required", "default"]
FullDocumentBeforeChange = Literal["off", "whenAvailable", "required"]
OnPositionLost = Literal["fail", "restart", "snapshot"]
SnapshotMode = Literal["never", "initial"]
OnLargeEvent = Literal["dead-letter", "fail"]
OnTransformError = Literal["fail", "dead-letter"]


@dataclass(frozen=True, slots=True, init=False)
class Settings(Checked):
    """One watcher: one scope, one Kafka client id. All values are checked. `docs/configuration.md` explains each setting."""

    name: Annotated[str, text]
    mongodb_uri: Annotated[Secret, secret, _uri]
    kafka_brokers: Annotated[str, check_brokers, text]
    kafka_client_id: Annotated[str, text, check_client_id]

    kafka_db_changes_topic: Annotated[str, text, _shared_topic] = ""
    kafka_topic_insert: Topic = SINGLE_TOPICS["kafka_topic_insert"]
    kafka_topic_update: Topic = SINGLE_TOPICS["kafka_topic_update"]
    kafka_topic_delete: Topic = SINGLE_TOPICS["kafka_topic_delete"]
    kafka_topic_control: Annotated[str, text, _control_topic] = CONTROL_TOPIC
    topic_partitions: BrokerDefault = -1
    topic_replication_factor: BrokerDefault = -1
    topic_config: Annotated[Mapping[str, str], table(text, property_text)] = field(default_factory=dict)

    watch_databases: Annotated[tuple[str, ...], split_list, each(text, check_database, check_has_stream)] = ()
    exclude_databases: Annotated[tuple[str, ...], split_list, each(text, check_database)] = ()
    watch_collections: Annotated[tuple[str, ...], split_list, each(text, check_pattern, check_watchable)] = ()
    exclude_collections: Annotated[tuple[str, ...], split_list, each(text, check_pattern)] = ()
    exclude_fields: Annotated[tuple[str, ...], split_list, each(text, check_field)] = ()
    exclude_operations: Annotated[tuple[str, ...], split_list, each(check_operation), check_some_left] = ()
    pipeline: Annotated[tuple[str, ...], check_pipeline] = ()
    transform: Annotated[str, text, check_transform] = ""
    transform_seconds: Annotated[int, whole_number, at_least(1), at_most(3600)] = 10
    on_transform_error: Annotated[OnTransformError, one_of(OnTransformError)] = "fail"
    batch_size: Annotated[int, whole_number, at_least(1), at_most(100_000)] = 2000
    log_level: Annotated[LogLevel, _level, one_of(LogLevel)] = "info"
    log_documents: Annotated[bool, yes_or_no] = False

    delivery: Annotated[Delivery, one_of(Delivery)] = "exactly-once"
    high_availability: Annotated[bool, yes_or_no] = False
    envelope: Annotated[EnvelopeName, one_of(EnvelopeName)] = "generic"
    json_format: Annotated[JsonFormat, one_of(JsonFormat)] = "plain"
    kafka_headers: Annotated[bool, yes_or_no] = False
    cloudevents: Annotated[bool, yes_or_no] = False
    full_document: Annotated[FullDocument, one_of(FullDocument)] = "updateLookup"
    full_document_before_change: Annotated[FullDocumentBeforeChange, one_of(FullDocumentBeforeChange)] = "off"
    start_from: Annotated[Start, _start] = "now"
    on_position_lost: Annotated[OnPositionLost, one_of(OnPositionLost)] = "fail"
    on_large_event: Annotated[OnLargeEvent, one_of(OnLargeEvent)] = "dead-letter"

    snapshot_mode: Annotated[SnapshotMode, one_of(SnapshotMode)] = "never"
    snapshot_collections: Annotated[tuple[str, ...], split_list, each(text, check_pattern, check_watchable)] = ()
    snapshot_documents_per_second: Annotated[int, whole_number, at_least(0)] = 0
    snapshot_filter: Annotated[Mapping[str, str], table(check_filtered, check_query)] = field(default_factory=dict)

    kafka: Annotated[Mapping[str, PropertyValue], table(check_property, check_value)] = field(repr=False, default_factory=dict)

    secret_files: Mapping[str, Path] = field(default_factory=dict)
    """The files from which `mongodb_uri` and properties of `[kafka]` (such as `kafka.sasl.password`) were read, by key."""

    @classmethod
    def _completed(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fill in the shared topic, if it is set, for operations without their own topic, and what follows from the envelope.

        An empty topic counts as not set.
        """
        filled = {key: value for key, value in given.items() if not (value == "" and key in TOPIC_KEYS)}
        if shared := filled.get("kafka_db_changes_topic"):
            filled = {**dict.fromkeys(SINGLE_TOPICS, shared), **filled}
        return {**format_defaults(filled), **filled}

    @classmethod
    def _contradictions(cls, good: Mapping[str, Any]) -> Iterator[Refused]:
        uri = _uri_of(good)
        yield from scope_refusals(good, uri)
        scope = scope_of(good, uri)
        yield from out_of_scope(good, scope)
        if good.keys() >= {"mongodb_uri", "exclude_fields", *SCOPE_KEYS}:
            for refused in out_of_reach(good["exclude_fields"], scope):
                yield refused.within("exclude_fields")
        if good.get("high_availability") and good.get("delivery") == "at-least-once":
            text = 'needs delivery = "exactly-once": without transactions two workers could write at once'
            yield Refused(text, key="high_availability")
        yield from snapshot_refusals(good, scope)
        for refused in no_numbers(good.get("kafka", {})):
            yield refused.within("kafka")
        if good.keys() >= {"kafka_brokers", "kafka"}:
            protocol = str(good["kafka"].get("security.protocol", "plaintext"))
            for refused in misread_brokers(good["kafka_brokers"], protocol):
                yield refused.within("kafka_brokers")
        yield from _topic_contradictions(good, scope)
        yield from format_contradictions(good, scope)

    @property
    def scope(self) -> Scope:
        """The databases and collections that the change stream covers."""
        chosen = {key: getattr(self, key) for key in SCOPE_KEYS}
        return scope_of(chosen, parse_uri(self.mongodb_uri.get_secret_value()))

    @property
    def database(self) -> str:
        """The database in the path of `mongodb_uri`; `*` with several databases."""
        return self.scope.name

    @property
    def position_topic(self) -> str:
        """The compacted topic that holds only this watcher's position."""
        return f"{self.kafka_client_id}.position"

    @property
    def configured_topics(self) -> dict[str, str]:
        """The topics that follow from these settings alone, without a collection or one of several databases, and the position
        topic, each with its setting."""
        templates = {key: str(getattr(self, key)) for key in TOPIC_KEYS}
        return {**configured_topics(templates, self.scope.single), self.position_topic: "kafka_client_id"}

    @property
    def topic_templates(self) -> dict[str, str]:
        """The topic template of each row operation, and of `control`. A replace counts as an update."""
        rows: dict[str, str] = {operation: getattr(self, f"kafka_topic_{TOPIC_OF[operation]}") for operation in ROW_OPERATIONS}
        return {**rows, "control": self.kafka_topic_control}

    def watches(self, collection: str) -> bool:
        """True if changes of `collection`, as the scope names it, are delivered. Exclusions win, and MongoDB's own collections are
        never watched."""
        return self.scope.watches(collection)


def _topic_contradictions(good: Mapping[str, Any], scope: Scope) -> Iterator[Refused]:
    """Yield a refusal for each topic that Kafka would refuse or that has another purpose."""
    templates = {key: good[key] for key in TOPIC_KEYS if key in good}
    topics = configured_topics(templates, scope.single)
    position = f"{good.get('kafka_client_id')}.position"
    if any(folded(topic) == folded(position) for topic in topics):
        yield Refused(f"'{position}' is where the position is kept; no other topic can have that name", key="kafka_client_id")
    for topic, key in topics.items():
        if is_internal(topic):
            yield Refused(f"'{topic}' is one of Kafka's own topics", key=_given(key, good), hint="give it another name")
    for topic, key, other, other_key in contradictions(templates, scope.single):
        late, text = (key, other) if good[other_key] == _DEFAULT_TOPICS[other_key] else (other_key, topic)
        refusal = f"'{topic}' and '{other}' differ only in . and _, and are one topic to Kafka"
        yield Refused(refusal, key=_given(late, good), hint=f"for both '{text}', or another name")


def _uri_of(good: Mapping[str, Any]) -> MongodbUri | None:
    return parse_uri(good["mongodb_uri"].get_secret_value()) if "mongodb_uri" in good else None


def _given(key: str, good: Mapping[str, Any]) -> str:
    """The setting that gave `key` its topic: the shared one or `key` itself."""
    return "kafka_db_changes_topic" if good[key] == good.get("kafka_db_changes_topic") else key


TABLES = ("snapshot_filter", "topic_config", "kafka")
"""The settings that are tables. In the names of keys, such as `kafka.linger.ms`, the first dot ends the table's name."""

FIELDS = tuple(setting.name for setting in fields(Settings) if setting.name not in ("name", "secret_files"))
"""Every key for which `Settings` has a value."""

KEYS = (*FIELDS, "mongodb_uri_file", "pipeline_file")
"""Every key a configuration may hold."""
