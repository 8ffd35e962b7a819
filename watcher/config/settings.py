"""The settings of one watcher, as a frozen value. Field names are the keys of `conf.d/<name>.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from watcher.config.brokers import check_brokers, check_client_id
from watcher.config.collections import check_pattern, check_watchable, is_watched, split_list
from watcher.config.fault import Refused
from watcher.config.fields import check_field, check_reach
from watcher.config.librdkafka import PropertyValue, check_property, check_value
from watcher.config.mongodb_uri import parse_uri
from watcher.config.topic_template import check_topic

ROW_OPERATIONS = ("insert", "update", "replace", "delete")
SINGLE_TOPICS: Mapping[str, str] = MappingProxyType(
    {"kafka_topic_insert": "database.insert", "kafka_topic_update": "database.update", "kafka_topic_delete": "database.delete"}
)
"""The topics of the row operations, and what each is when nothing is set."""

CONTROL_PLACEHOLDERS = ("database", "operation")
"""A control message may be about the whole database, so its topic cannot depend on a collection."""


def _uri(uri: SecretStr) -> SecretStr:
    parse_uri(uri.get_secret_value())
    return uri


def _control_topic(template: str) -> str:
    return check_topic(template, CONTROL_PLACEHOLDERS)


def _shared_topic(template: str) -> str:
    return check_topic(template) if template else template


def _whole_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Refused("must be a whole number")
    try:
        return int(value)
    except ValueError:
        raise Refused(f"must be a whole number, not '{value}'") from None


def _yes_or_no(value: object) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise Refused("must be true or false")


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
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise Refused("must be now, earliest or a time with its zone", hint="for example 2024-01-01T12:00:00Z")
    return moment.astimezone(UTC)


WholeNumber = Annotated[int, BeforeValidator(_whole_number)]
YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no)]
BrokerDefault = Annotated[WholeNumber, Field(ge=-1), AfterValidator(_partitions)]
Topic = Annotated[str, AfterValidator(check_topic)]
Pattern = Annotated[str, AfterValidator(check_pattern)]
FieldName = Annotated[str, AfterValidator(check_field)]
PropertyName = Annotated[str, AfterValidator(check_property)]
Property = Annotated[PropertyValue, BeforeValidator(check_value)]


class Settings(BaseModel):
    """One watcher: one database, one Kafka client id. All values are checked; `docs/configuration.md` says what each means."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    mongodb_uri: Annotated[SecretStr, AfterValidator(_uri)]
    kafka_brokers: Annotated[str, BeforeValidator(check_brokers)]
    kafka_client_id: Annotated[str, AfterValidator(check_client_id)]

    kafka_db_changes_topic: Annotated[str, AfterValidator(_shared_topic)] = ""
    kafka_topic_insert: Topic = SINGLE_TOPICS["kafka_topic_insert"]
    kafka_topic_update: Topic = SINGLE_TOPICS["kafka_topic_update"]
    kafka_topic_delete: Topic = SINGLE_TOPICS["kafka_topic_delete"]
    kafka_topic_control: Annotated[str, AfterValidator(_control_topic)] = "database.control"
    topic_partitions: BrokerDefault = -1
    topic_replication_factor: BrokerDefault = -1

    watch_collections: Annotated[tuple[Annotated[Pattern, AfterValidator(check_watchable)], ...], BeforeValidator(split_list)] = ()
    exclude_collections: Annotated[tuple[Pattern, ...], BeforeValidator(split_list)] = ()
    exclude_fields: Annotated[tuple[FieldName, ...], BeforeValidator(split_list)] = ()
    batch_size: Annotated[WholeNumber, Field(ge=1, le=100_000)] = 2000
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_level)] = "info"
    log_documents: YesOrNo = False

    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    json_format: Literal["plain", "extended"] = "plain"
    full_document: Literal["updateLookup", "whenAvailable", "required", "default"] = "updateLookup"
    full_document_before_change: Literal["off", "whenAvailable", "required"] = "off"
    start_from: Annotated[Literal["now", "earliest"] | datetime, BeforeValidator(_start)] = "now"
    on_position_lost: Literal["fail", "restart"] = "fail"
    on_large_event: Literal["dead-letter", "fail"] = "dead-letter"

    kafka: Annotated[Mapping[PropertyName, Property], Field(repr=False, default_factory=dict)]

    @model_validator(mode="before")
    @classmethod
    def _fill_topics(cls, given: Any) -> Any:
        """Operations without a topic of their own go to the shared one, if there is one. An empty topic is not set."""
        if not isinstance(given, Mapping):
            return given
        filled = {
            key: value for key, value in given.items() if not (value == "" and key in (*SINGLE_TOPICS, "kafka_topic_control"))
        }
        if shared := filled.get("kafka_db_changes_topic"):
            filled = {**dict.fromkeys(SINGLE_TOPICS, shared), **filled}
        return filled

    @field_validator("exclude_fields")
    @classmethod
    def _check_exclusions(cls, fields: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if {"mongodb_uri", "watch_collections"} <= info.data.keys():  # else they have faults of their own
            database = parse_uri(info.data["mongodb_uri"].get_secret_value()).database
            check_reach(fields, database, info.data["watch_collections"])
        return fields

    @model_validator(mode="after")
    def _keep_position_apart(self) -> Settings:
        if self.position_topic in self.topic_templates.values():
            raise Refused(f"'{self.position_topic}' is where the position is kept; no other topic can have that name")
        return self

    @property
    def database(self) -> str:
        """The database in the path of `mongodb_uri`."""
        return parse_uri(self.mongodb_uri.get_secret_value()).database

    @property
    def position_topic(self) -> str:
        """The compacted topic that holds this watcher's position, and nothing else."""
        return f"{self.kafka_client_id}.position"

    @property
    def topic_templates(self) -> dict[str, str]:
        """The topic template of each row operation, and of `control`; a replace is an update."""
        return {
            "insert": self.kafka_topic_insert,
            "update": self.kafka_topic_update,
            "replace": self.kafka_topic_update,
            "delete": self.kafka_topic_delete,
            "control": self.kafka_topic_control,
        }

    def watches(self, collection: str) -> bool:
        """Whether changes of `collection` are delivered: the exclusions win, and MongoDB's own collections never are."""
        return is_watched(collection, self.watch_collections, self.exclude_collections)


KEYS = (*(name for name in Settings.model_fields if name != "name"), "mongodb_uri_file")
"""Every key a configuration may hold."""
