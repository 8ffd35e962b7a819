"""Settings of a position topic that could lose the position: every one of Kafka's that deletes, and no other."""

from __future__ import annotations

import pytest

from tests.support.doctoring import as_settings
from watcher.errors import PositionUnsafe
from watcher.kafka.position_topic import POSITION_TOPIC_CONFIG, check_position_topic, deletion_limits

SETTINGS = as_settings({"mongodb_uri": "mongodb://h/shop", "kafka_brokers": "h:9092", "kafka_client_id": "shop"})
WEEK = "604800000"


@pytest.mark.parametrize(
    ("config", "limits"),
    [
        ({"cleanup.policy": "delete"}, [f"retention.ms={WEEK}"]),
        ({"cleanup.policy": "compact,delete"}, [f"retention.ms={WEEK}"]),
        ({"cleanup.policy": "delete, compact", "retention.ms": "1"}, ["retention.ms=1"]),
        ({"cleanup.policy": "compact,delete", "retention.ms": "-1", "retention.bytes": "0"}, ["retention.bytes=0"]),
        ({"cleanup.policy": "delete", "retention.ms": "5", "retention.bytes": "7"}, ["retention.ms=5", "retention.bytes=7"]),
    ],
)
def test_what_deletes(config: dict[str, str], limits: list[str]) -> None:
    assert deletion_limits(config) == limits
    with pytest.raises(PositionUnsafe) as caught:
        check_position_topic(SETTINGS, 1, config)
    assert limits[0] in str(caught.value)
    assert "cleanup.policy=compact" in caught.value.hint


@pytest.mark.parametrize(
    "config",
    [
        POSITION_TOPIC_CONFIG,
        {},
        {"cleanup.policy": ""},
        {"cleanup.policy": "compact", "retention.ms": "1", "retention.bytes": "1", "delete.retention.ms": "0"},
        {"cleanup.policy": "compact", "max.compaction.lag.ms": "1", "min.compaction.lag.ms": "0", "segment.ms": "1"},
        {"cleanup.policy": "compact,delete", "retention.ms": "-1", "retention.bytes": "-1"},
        {"cleanup.policy": "delete", "retention.ms": "-1"},
    ],
    ids=str,
)
def test_what_does_not(config: dict[str, str]) -> None:
    check_position_topic(SETTINGS, 1, config)


def test_several_partitions_and_how_the_position_is_kept() -> None:
    with pytest.raises(PositionUnsafe, match="has 3 partitions") as caught:
        check_position_topic(SETTINGS, 3, POSITION_TOPIC_CONFIG)
    hint = caught.value.hint
    assert hint.index("position show dashboard") < hint.index("delete") < hint.index("position set dashboard TOKEN")
