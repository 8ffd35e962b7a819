"""The live view of a fleet: a table of its watchers over the latest messages, as they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from watcher.terminal.message_line import operation_style
from watcher.terminal.message_text import Message, message_text, namespace, short_key

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

NOTHING = "-"
STATE_STYLES = {"streaming": "green", "standby": "green", "failed": "red", "hung": "red"}
OTHER_STATE_STYLE = "yellow"

HEADER_LINES = 3
"""Lines besides the watchers' and the messages': two headings, and an empty line between the tables."""

_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class WatcherLine:
    """One watcher at one moment. `lag_seconds` is None while it is not known. `delivered` counts the messages read from Kafka."""

    name: str
    state: str
    events_per_second: float = 0.0
    lag_seconds: float | None = None
    last_event_at: datetime | None = None
    delivered: int = 0


def live_view(watchers: Sequence[WatcherLine], messages: Sequence[Message], now: datetime, lines: int) -> Group:
    """Draw the view, at most `lines` high. `messages` are the latest, oldest first."""
    from rich.console import Group
    from rich.text import Text

    room = max(lines - len(watchers) - HEADER_LINES, 1)
    return Group(watchers_table(watchers, now), Text(), messages_table(messages, room))


def watchers_table(watchers: Sequence[WatcherLine], now: datetime) -> Table:
    """Draw a line for each watcher."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="default")
    for heading in ("WATCHER", "STATE"):
        table.add_column(Text(heading, "bold"), no_wrap=True)
    for heading in ("EVENTS/S", "LAG", "LAST EVENT", "DELIVERED"):
        table.add_column(_apart(heading, "bold"), justify="right", no_wrap=True)
    for watcher in watchers:
        state = Text(watcher.state, STATE_STYLES.get(watcher.state, OTHER_STATE_STYLE))
        table.add_row(Text(watcher.name, "bold"), state, *(_apart(number, "default") for number in _numbers(watcher, now)))
    return table


def _apart(text: str, style: str) -> Text:
    """Make a text whose style does not cover the spaces that a column puts before it: some viewers of SVG lose leading spaces."""
    from rich.text import Text

    return Text.assemble((text, style))


def messages_table(messages: Sequence[Message], room: int) -> Table:
    """Draw a line for each of the last `room` messages, cut off at the terminal's edge."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    texts = [message_text(message) for message in messages]
    for heading in ("TIME (UTC)", "OPERATION"):
        table.add_column(heading, no_wrap=True)
    # Wide enough for the earlier messages too, so that the columns do not move.
    table.add_column("COLLECTION", no_wrap=True, min_width=max((len(namespace(text)) for text in texts), default=0))
    table.add_column("KEY", no_wrap=True)
    table.add_column("WHAT", no_wrap=True, overflow="ellipsis", ratio=1)
    for text in texts[-room:]:
        table.add_row(
            Text(time_of_day(text.timestamp), "dim"),
            Text(text.operation, operation_style(text.operation)),
            Text(namespace(text)),
            Text(short_key(text.key), "cyan"),
            Text(text.what),
        )
    return table


def status_line(watchers: Sequence[WatcherLine], now: datetime) -> str:
    """Return all watchers in one line, for an output on which nothing can be redrawn."""
    return " | ".join(_in_words(watcher, now) for watcher in watchers)


def _in_words(watcher: WatcherLine, now: datetime) -> str:
    rate, lag, last_event, delivered = _numbers(watcher, now)
    return f"{watcher.name}: {watcher.state}, {rate} events/s, lag {lag}, last event {last_event}, {delivered} delivered"


def _numbers(watcher: WatcherLine, now: datetime) -> tuple[str, str, str, str]:
    lag = NOTHING if watcher.lag_seconds is None else f"{watcher.lag_seconds:.1f} s"
    return f"{watcher.events_per_second:.1f}", lag, ago(watcher.last_event_at, now), f"{watcher.delivered:,}"


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago `moment` was, in its largest unit."""
    if moment is None:
        return NOTHING
    seconds = max((now - moment).total_seconds(), 0.0)
    if seconds < _MINUTE:
        return f"{seconds:.1f} s ago"
    return f"{seconds // _MINUTE:.0f} min ago" if seconds < _HOUR else f"{seconds // _HOUR:.0f} h ago"


def time_of_day(timestamp: str) -> str:
    """Return `12:00:00.000` for `2024-01-01T12:00:00.000Z`."""
    return timestamp.partition("T")[2].removesuffix("Z") or timestamp
