"""Progress of a long command on stderr: a bar on a terminal, else a line for each phase."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Progress = Callable[[str, int, int], None]
"""The phase, the amount done, and the total; the total is 0 if it is not known."""


@contextmanager
def phases() -> Iterator[Progress]:
    """Yield a function that reports progress for the duration of the block."""
    if sys.stderr.isatty():
        with _bar() as progress:
            yield progress
    else:
        yield _lines()


def _lines() -> Progress:
    last = ""

    def tell(phase: str, _done: int, _total: int) -> None:
        nonlocal last
        if phase != last:
            click.echo(phase, err=True)
        last = phase

    return tell


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def tell(phase: str, done: int, total: int) -> None:
            bars.update(task, description=phase, completed=done, total=total or None)

        yield tell
