"""A transform for the benchmarks."""

from __future__ import annotations

from typing import Any


def add_field(message: dict[str, Any]) -> dict[str, Any]:
    """Add a field to the document, where there is one."""
    if document := message.get("fullDocument"):
        document["region"] = "eu"
    return message
