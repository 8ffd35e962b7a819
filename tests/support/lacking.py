"""Messages of changes that could not be had whole, or delivered whole, in short."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
Summary = tuple[str, Any, list[str] | None]
"""Of a message the operation, the document it is about, and the names of the fields it lacks."""


def summary(messages: list[Document]) -> list[Summary]:
    """Sum the messages up."""
    return [(each["operationType"], each.get("about", each)["documentKey"]["_id"], each.get("truncated")) for each in messages]
