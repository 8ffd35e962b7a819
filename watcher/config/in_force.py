"""The values in force for a watcher and the places where they were set, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from watcher.config.fault import BUILT_IN, Origin
from watcher.config.masking import masked
from watcher.config.settings import FIELDS, SINGLE_TOPICS, TABLES, Settings

OF_OTHERS = ("kafka", "schema_registry")
"""Tables of properties whose names are those of other programs."""


def values_in_force(settings: Settings, origins: Mapping[str, Origin]) -> Iterator[tuple[str, str, Origin]]:
    """Yield each key with its masked value and its origin. A topic taken from `kafka_db_changes_topic` has that key's origin."""
    shared = origins.get("kafka_db_changes_topic")
    for key in FIELDS:
        value = getattr(settings, key)
        if key in TABLES:
            yield from (
                (f"{key}.{name}", masked(name if key in OF_OTHERS else key, item), origins.get(f"{key}.{name}", BUILT_IN))
                for name, item in value.items()
            )
        else:
            from_shared = shared if key in SINGLE_TOPICS and value == settings.kafka_db_changes_topic else None
            yield key, masked(key, value), origins.get(key) or from_shared or BUILT_IN
