"""Renders a delivered message as one coloured line of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.terminal.message_text import Message, message_text, namespace, short_key

if TYPE_CHECKING:
    from rich.text import Text

OPERATION_WIDTH = 7
"""Width of `replace`, the longest of the row operations."""

OPERATION_STYLES = {"insert": "green", "update": "yellow", "replace": "magenta", "delete": "red"}
OTHER_OPERATION_STYLE = "bold cyan"


def operation_style(operation: str) -> str:
    """Return the colour that an operation has everywhere."""
    return OPERATION_STYLES.get(operation, OTHER_OPERATION_STYLE)


def rich_line(message: Message, *, with_database: bool = False) -> Text:
    """Return `time operation collection key what`, which is cut off at the terminal's edge. `with_database` puts the collection's
    database before it."""
    from rich.text import Text

    text = message_text(message)
    parts = (
        (text.timestamp, "dim"),
        (text.operation.ljust(OPERATION_WIDTH), operation_style(text.operation)),
        (namespace(text) if with_database else text.collection, "bold"),
        (text.key, "cyan"),
        (text.what, ""),
    )
    return Text(" ", no_wrap=True, overflow="ellipsis").join(Text(*part) for part in parts if part[0].strip())


def plain_line(message: Message) -> str:
    """Return `time operation database.collection key what`, with a short key and without colours."""
    text = message_text(message)
    parts = (text.timestamp, text.operation.ljust(OPERATION_WIDTH), namespace(text), short_key(text.key), text.what)
    return " ".join(part for part in parts if part.strip())
