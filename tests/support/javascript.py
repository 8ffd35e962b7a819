"""Values as JavaScript has them."""

from __future__ import annotations

from typing import Any


def as_doubles(value: Any) -> Any:
    """`value` with all its numbers as doubles: JavaScript has no others."""
    if isinstance(value, dict):
        return {key: as_doubles(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_doubles(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
