"""Progress of a long command on stderr: a bar on a terminal, else a line for whatever is new."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Progress = Callable[[str, int, int], None]
"""The present activities, a line each, with the amount done and the total; the total is 0 if it is not known."""


@contextmanager
def phases() -> Iterator[Progress]:
    """Yield a function that reports progress for the duration of the block."""
    if sys.stderr.isatty():
        with _bar() as progress:
            yield progress
    else:
        yield _lines()


def _lines() -> Progress:
    before: list[str] = []

    def tell(present: str, _done: int, _total: int) -> None:
        nonlocal before
        lines = present.splitlines()
        for line in lines:
            if line not in before:
                click.echo(line, err=True)
        before = lines

    return tell


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    text = TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), text)
    with Bars(*columns, console=Console(stderr=True), transient=True, expand=True) as bars:
        task = bars.add_task("starting", total=None)

        def tell(present: str, done: int, total: int) -> None:
            bars.update(task, description=", ".join(present.splitlines()), completed=done, total=total or None)

        yield tell
