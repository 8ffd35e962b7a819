"""Delivered messages as lines: of one watcher alone, or of several, with the watcher's name in each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson

from watcher.config import Settings
from watcher.consumer.delivered import DeliveredMessage

Show = Callable[[str, DeliveredMessage], None]
"""Writes a message of the watcher with this name."""


def json_lines(*, is_alone: bool) -> Show:
    """Write the messages as they lie in Kafka; those of several watchers as `{"watcher": …, "message": …}`."""

    def show(name: str, delivered: DeliveredMessage) -> None:
        text = delivered.text if is_alone else b'{"watcher":%b,"message":%b}' % (orjson.dumps(name), delivered.text)
        sys.stdout.buffer.write(text + b"\n")
        sys.stdout.buffer.flush()

    return show


def terminal_lines(watchers: Sequence[Settings], *, is_alone: bool) -> Show:
    """Write a line for people for each message."""
    from rich.console import Console
    from rich.text import Text

    from watcher.terminal.message_line import rich_line
    from watcher.terminal.name_colours import name_colours

    console = Console(highlight=False)
    width = max((len(settings.name) for settings in watchers), default=0)
    shared = {settings.name: settings.scope.is_shared for settings in watchers}
    heads = {name: Text(f"{name.ljust(width)} | ", style) for name, style in name_colours(shared).items()}

    def show(name: str, delivered: DeliveredMessage) -> None:
        line = rich_line(delivered.message, with_database=shared[name])
        console.print(line if is_alone else heads[name] + line, no_wrap=True, overflow="ellipsis", crop=True)

    return show


def text_alone(delivered: DeliveredMessage) -> DeliveredMessage:
    """Keep only what `json_lines` needs: a message may have megabytes, and would be in memory both as text and parsed."""
    return replace(delivered, message={"sequence": delivered.sequence})


def message_alone(delivered: DeliveredMessage) -> DeliveredMessage:
    """Keep only what a line for people needs."""
    return replace(delivered, text=b"")
