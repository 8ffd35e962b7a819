"""Fields in which our messages differ from the peers', as docs/formats.md lists and explains them."""

from __future__ import annotations

from collections.abc import Mapping

DIFFERENT_FIELDS: Mapping[str, frozenset[str]] = {
    "debezium": frozenset({"value.source.name", "value.ts_ms"}),
    "mongodb": frozenset(),
}
"""Dotted paths from `key` or `value` on, by envelope."""
