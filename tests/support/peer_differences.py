"""Fields in which our messages differ from the peers', as docs/formats.md lists and explains them."""

from __future__ import annotations

from collections.abc import Mapping

DIFFERENT_FIELDS: Mapping[str, frozenset[str]] = {
    "debezium": frozenset({"value.source.name", "value.ts_ms"}),
    "mongodb": frozenset(),
}
"""Dotted paths from `key` or `value` on, by envelope."""

DIFFERENT_KEYS: Mapping[str, frozenset[str]] = {
    "debezium": frozenset(),
    "mongodb": frozenset(
        {
            '{"_id": {"$binary": "Ynl0ZXM=", "$type": "00"}}',
            '{"_id": {"$binary": "AAECAwQFBgcICQoLDA0ODw==", "$type": "04"}}',
            '{"_id": {"$timestamp": {"t": 1704110400, "i": 7}}}',
            '{"_id": {"a": 1, "b": {"$oid": "65f0c1a2b3c4d5e6f7a8b9c0"}}}',
        }
    ),
}
"""Keys of the peers whose bytes are not ours: those with more than one field, by envelope."""
