"""Where the demo's scenes go: a terminal is redrawn, anything else gets lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import click

from watcher.cli.demo_audience import Scene
from watcher.terminal.live_view import live_view, status_line
from watcher.terminal.message_line import plain_line

STATUS_SECONDS = 5.0
MOST_LINES = 30

CTRL_C_COLUMNS = len("^C")
"""Left free at the right: a terminal shows Ctrl-C there, which would begin a new line and leave a part of the view above itself."""

Show = Callable[[Scene], None]


def screen() -> AbstractContextManager[Show]:
    """What shows a scene, as a `with` block."""
    return _terminal() if sys.stdout.isatty() else _lines()


@contextmanager
def _terminal() -> Iterator[Show]:
    """The view, always at the same place."""
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
    """Each message on stdout as it comes, and every few seconds the watchers on stderr."""
    next_status = time.monotonic() + STATUS_SECONDS

    def show(scene: Scene) -> None:
        nonlocal next_status
        for message in scene.fresh:
            click.echo(plain_line(message))
        if time.monotonic() >= next_status:
            next_status = time.monotonic() + STATUS_SECONDS
            click.echo(status_line(scene.watchers, scene.at), err=True)

    yield show
