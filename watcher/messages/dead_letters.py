"""Dead letters: messages of the control topic about changes that could not be delivered, or not whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from watcher.messages.control import ControlMessages, present
from watcher.messages.row_values import event_time_ms
from watcher.model import Message
from watcher.operations import DEAD_LETTER

FOR_KAFKA, FOR_MONGODB = "too_large_for_kafka", "too_large_for_mongodb"
PIPELINE_FAILED, TRANSFORM_FAILED = "pipeline_failed", "transform_failed"
REASONS: Mapping[str, str] = MappingProxyType(
    {
        FOR_KAFKA: "The message was too large for Kafka.",
        FOR_MONGODB: "The change event was too large for MongoDB.",
        PIPELINE_FAILED: "The pipeline failed.",
        TRANSFORM_FAILED: "The transform failed.",
    }
)
"""The texts that dead letters give as their reason, by `Message.reason`."""


def dead_letter(
    control: ControlMessages,
    change: dict[str, Any],
    reason: str,
    sequence: int,
    *,
    size: int | None = None,
    truncated: Sequence[str] = (),
    with_key: bool = False,
) -> Message:
    """Make the dead letter about a decoded row change. `size` is that of its message in bytes, if it was made. With `truncated`,
    the message itself precedes the letter, without these fields. `with_key` names the document where no message does."""
    about = {"operationType": change["operationType"], "eventId": change["_id"]["_data"]}
    if truncated or with_key:
        about |= {"documentKey": change["documentKey"]}
    if truncated:
        about |= {"sequence": sequence - 1}
    message = control.of_watcher(
        DEAD_LETTER,
        database=change["ns"]["db"],
        collection=change["ns"]["coll"],
        timestamp_ms=event_time_ms(change),
        sequence=sequence,
        **present({"reason": REASONS[reason], "about": about, "bytes": size, "truncated": truncated or None}),
    )
    return message._replace(reason=reason)
