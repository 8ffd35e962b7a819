"""Parts that all envelopes have in common: JSON, times, and the fields of a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from watcher.log import iso

Message = dict[str, Any]
"""A message as the generic envelope has it (docs/message-format.md). Documents stay in the dialect that they were written in."""


class UnknownMessage(Exception):
    """The record is in none of the envelopes; the text gives the reason."""


def parsed(text: bytes | str | None) -> Any:
    """Parse JSON; None for no text. `NaN` and `Infinity` are accepted too, for the peers write them. Raises UnknownMessage if it is
    none.
    """
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise UnknownMessage(f"not JSON: {error}") from None


def without_schema(value: Any) -> Any:
    """Return the payload of a value to which Kafka Connect's JsonConverter has added its schema, and any other value as it is."""
    return value["payload"] if isinstance(value, Mapping) and value.keys() == {"schema", "payload"} else value


def iso_of(time: Any) -> str:
    """Write a time of any dialect as `2024-01-01T12:00:00.000Z`: milliseconds since 1970, an ISO text, or a `$date` of either.

    Raises TypeError, ValueError or OverflowError for anything else.
    """
    if isinstance(time, Mapping):
        time = time["$date"]
        time = int(time["$numberLong"]) if isinstance(time, Mapping) else time
    return iso(datetime.fromisoformat(time) if isinstance(time, str) else time / 1000)
