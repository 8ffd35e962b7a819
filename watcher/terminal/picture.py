"""Draws the live view as a picture, for the README."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import datetime

from watcher.terminal.live_view import WatcherLine, live_view
from watcher.terminal.message_text import Message

COLUMNS = 110
LINES = 24


def picture(watchers: Sequence[WatcherLine], messages: Sequence[Message], now: datetime) -> str:
    """Return the view as an SVG of COLUMNS by at most LINES characters."""
    from rich.console import Console

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(live_view(watchers, messages, now, LINES - 1))
    console.print()  # the frame cuts off whatever extends below the last line
    return _tidy(console.export_svg(title="watcherctl demo"))


def _tidy(svg: str) -> str:
    """Remove spaces at the ends of lines. Also remove fonts from a web server, so that viewing the picture sends no request."""
    return re.sub(r"@font-face \{.*?\}|[ ]+$", "", svg, flags=re.DOTALL | re.MULTILINE)
