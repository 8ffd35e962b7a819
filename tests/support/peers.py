"""The connectors that people leave for this watcher, each as it is configured for messages in plain JSON without a schema."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
STRING_CONVERTER = "org.apache.kafka.connect.storage.StringConverter"
FORMATTERS = "com.mongodb.kafka.connect.source.json.formatter"

VARIANTS: Mapping[str, Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "debezium": {
            "debezium": {},
            "debezium-images": {"capture.mode": "change_streams_update_full_with_pre_image"},
            "debezium-schemas": {"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"},
        },
        "mongodb": {
            "mongodb": {},
            "mongodb-extended": {"output.json.formatter": f"{FORMATTERS}.ExtendedJson"},
            "mongodb-simplified": {"output.json.formatter": f"{FORMATTERS}.SimplifiedJson"},
            "mongodb-images": {"change.stream.full.document.before.change": "whenAvailable"},
            "mongodb-documents": {
                "publish.full.document.only": "true",
                "publish.full.document.only.tombstone.on.delete": "true",
            },
        },
    }
)
"""The settings of each connector by its name, beside those below, for each peer. Topics begin with the name."""


def debezium(name: str, uri: str, database: str, **more: str) -> dict[str, str]:
    """Debezium's MongoDB connector for one database, copying what is there first."""
    return {
        "connector.class": "io.debezium.connector.mongodb.MongoDbConnector",
        "mongodb.connection.string": uri,
        "topic.prefix": name,
        "database.include.list": database,
        "snapshot.mode": "initial",
        "capture.mode": "change_streams_update_full",
        "key.converter": JSON_CONVERTER,
        "key.converter.schemas.enable": "false",
        "value.converter": JSON_CONVERTER,
        "value.converter.schemas.enable": "false",
        "poll.interval.ms": "20",  # for a quick test
        **more,
    }


def mongodb(name: str, uri: str, database: str, **more: str) -> dict[str, str]:
    """MongoDB's Kafka source connector for one database, copying what is there first."""
    return {
        "connector.class": "com.mongodb.kafka.connect.MongoSourceConnector",
        "connection.uri": uri,
        "topic.prefix": name,
        "database": database,
        "startup.mode": "copy_existing",
        "change.stream.full.document": "updateLookup",
        "key.converter": STRING_CONVERTER,
        "value.converter": STRING_CONVERTER,
        "output.format.key": "json",
        "output.format.value": "json",
        "poll.await.time.ms": "100",  # for a quick test
        **more,
    }


def connectors(uri: str, database: str) -> dict[str, dict[str, str]]:
    """All variants of both, by name."""
    return {
        **{name: debezium(name, uri, database) | dict(more) for name, more in VARIANTS["debezium"].items()},
        **{name: mongodb(name, uri, database) | dict(more) for name, more in VARIANTS["mongodb"].items()},
    }
