"""The topic of a watcher's position: the settings with which it is created, and those that could lose the position. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from watcher.config import Settings
from watcher.errors import PositionUnsafe

POSITION_PARTITION = 0
"""Partition in which the position is written and looked for, however many partitions there are."""

POSITION_TOPIC_CONFIG = {
    "cleanup.policy": "compact",
    # Otherwise a worker whose clock is an hour ahead of the broker's could not save its position (message.timestamp.after.max.ms).
    "message.timestamp.type": "LogAppendTime",
    # Small segments, so that compaction soon reaches the records (one for each transaction) and the topic stays small.
    "segment.bytes": str(16 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
}

RETENTION_DEFAULTS = {"retention.ms": "604800000", "retention.bytes": "-1"}
"""Kafka's defaults; -1 means no limit."""


def check_position_topic(settings: Settings, partitions: int, config: Mapping[str, str]) -> None:
    """Raise PositionUnsafe if Kafka would delete the position, or another program could look for it in the wrong partition.

    `config` holds the topic's settings; it is empty if the broker does not tell them.
    """
    name = settings.position_topic
    if limits := deletion_limits(config):
        how = "is compacted, but emptied as well" if "compact" in _policies(config) else "is not compacted"
        raise PositionUnsafe(
            f"The position topic {name} {how}: Kafka will delete the position ({', '.join(limits)}).",
            hint=f"kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config cleanup.policy=compact",
        )
    if partitions > 1:
        raise PositionUnsafe(
            f"The position topic {name} has {partitions} partitions: the position is looked for in the first alone.",
            hint=f"Keep the position first: `watcherctl position show {settings.name} --json` tells its resume token, whichever "
            f"partition it is in. Then delete the topic, kafka-topics.sh --create --topic {name} --partitions 1 --config "
            f"cleanup.policy=compact, and `watcherctl position set {settings.name} TOKEN`.",
        )


def deletion_limits(config: Mapping[str, str]) -> list[str]:
    """Return the settings by which Kafka deletes a topic's records, compacted or not; none for a position topic of ours.

    Without `delete` in cleanup.policy neither retention nor DeleteRecords removes anything (Kafka's topic configs; KIP-107).
    """
    if "delete" not in _policies(config):
        return []
    limits = {name: config.get(name, default) for name, default in RETENTION_DEFAULTS.items()}
    return [f"{name}={limit}" for name, limit in limits.items() if int(limit) >= 0]


def deletes_by_age_ms(config: Mapping[str, str]) -> int | None:
    """Return the age in milliseconds, by their own time, up to which Kafka keeps records; None if it keeps them at any age."""
    age = int(config.get("retention.ms", RETENTION_DEFAULTS["retention.ms"]))
    return age if age >= 0 and "delete" in _policies(config) else None


def _policies(config: Mapping[str, str]) -> set[str]:
    return {policy.strip() for policy in config.get("cleanup.policy", "compact").split(",")}
