"""Output of the demo's scenes: a terminal is redrawn, anything else gets lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import click

from watcher.cli.demo.audience import Scene
from watcher.terminal.live_view import live_view, status_line
from watcher.terminal.message_line import plain_line

STATUS_SECONDS = 5.0
MOST_LINES = 30

CTRL_C_COLUMNS = len("^C")
"""The columns left free at the right. A terminal prints `^C` there. Without room it would start a new line, and part of the view
would be left above."""

Show = Callable[[Scene], None]


def screen() -> AbstractContextManager[Show]:
    """A `with` block that gives the function to show a scene."""
    return _terminal() if sys.stdout.isatty() else _lines()


@contextmanager
def _terminal() -> Iterator[Show]:
    """Redraw the view in place."""
    from rich.console import Console
    from rich.constrain import Constrain
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

        def show(scene: Scene) -> None:
            lines = min(console.height - 1, MOST_LINES)
            view = live_view(scene.watchers, scene.latest, scene.at, lines)
            live.update(Constrain(view, console.width - CTRL_C_COLUMNS), refresh=True)

        yield show


@contextmanager
def _lines() -> Iterator[Show]:
    """Write each message to stdout as it arrives, and the watchers to stderr every few seconds."""
    next_status = time.monotonic() + STATUS_SECONDS

    def show(scene: Scene) -> None:
        nonlocal next_status
        for message in scene.fresh:
            click.echo(plain_line(message))
        if time.monotonic() >= next_status:
            next_status = time.monotonic() + STATUS_SECONDS
            click.echo(status_line(scene.watchers, scene.at), err=True)

    yield show
