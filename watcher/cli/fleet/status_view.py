"""A survey of the fleet as people read it: a table, and the snapshots and last errors below it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from watcher.fleet.status import Row, WatcherState
from watcher.fleet.survey import Survey
from watcher.fleet.troubles import STUCK, Remark, faults, hint_for_stuck, reason, remarks, troubles
from watcher.terminal.durations import NOTHING, duration_in_words, headroom_in_words, seconds_in_words
from watcher.terminal.message_text import printable
from watcher.terminal.snapshot_line import is_shown, snapshot_line

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

HEADINGS = ("NAME", "STATE", "UPTIME", "LAG", "EV/S", "LAST-EVENT", "HEADROOM", "ERRORS", "RESTARTS")
NAMED_DATABASES = 5

_NUMBERS = {"UPTIME", "LAG", "EV/S", "LAST-EVENT", "HEADROOM", "ERRORS", "RESTARTS"}
_COLOURS = {
    WatcherState.STREAMING: "green",
    WatcherState.STANDBY: "green",
    WatcherState.OPENING: "cyan",
    WatcherState.STOPPING: "cyan",
    WatcherState.WAITING: "yellow",
    WatcherState.BACKING_OFF: "yellow",
    WatcherState.STALLED: "red",
    WatcherState.HUNG: "red",
    WatcherState.FAILED: "red",
    WatcherState.UNKNOWN: "red",
}


def plain(survey: Survey) -> str:
    """The table and what is below it without colours, with columns padded by spaces."""
    lines = [HEADINGS, *(cells(row, survey.at) for row in survey.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*table, *below(survey)])


def rich_view(survey: Survey) -> Group:
    """The table and what is below it for a terminal."""
    from rich.console import Group
    from rich.text import Text

    return Group(rich_table(survey), *map(Text, below(survey)))


def rich_table(survey: Survey) -> Table:
    """The table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left", no_wrap=True)
    for row in survey.rows:
        name, state, *others = cells(row, survey.at)
        table.add_row(Text(name), Text(state, style=_COLOURS.get(row.state, "dim")), *map(Text, others))
    return table


def cells(row: Row, now: datetime) -> tuple[str, ...]:
    """The cells of one watcher's line, in the order of HEADINGS. Values that only a live worker knows are a dash otherwise."""
    report = row.report
    if report is None:
        return (row.name, row.state, duration_in_words(row.uptime(now)), *[NOTHING] * 6)
    live = row.live
    return (
        row.name,
        printable(row.state_in_words(now)),
        duration_in_words(row.uptime(now)),
        seconds_in_words(live.lag_seconds) if live else NOTHING,
        f"{live.events_per_second:.1f}" if live else NOTHING,
        f"{duration_in_words(now - report.last_event_at)} ago" if report.last_event_at else NOTHING,
        headroom_in_words(row.headroom_seconds(now), report.oplog_full),
        str(report.errors),
        str(report.restarts),
    )


def below(survey: Survey) -> Iterator[str]:
    """Yield the lines below the table: how many watchers are active here, the snapshots, and the troubles."""
    standing_by = sum(row.state is WatcherState.STANDBY for row in survey.rows)
    if standing_by and len(survey.rows) > 1:
        streaming = sum(row.state is WatcherState.STREAMING for row in survey.rows)
        yield f"of {len(survey.rows)} watchers, {streaming} active here, {standing_by} standby"
    yield from databases(survey)
    yield from snapshots(survey)
    yield from hindrances(survey)
    yield from marks(survey)
    yield from errors(survey)


def databases(survey: Survey) -> Iterator[str]:
    """Yield a line for each watcher of several databases that names the busiest."""
    for row in survey.rows:
        if row.live and row.live.databases:
            busiest = [f"{printable(each.name)} {each.events_per_second:.1f}/s" for each in row.live.databases[:NAMED_DATABASES]]
            of_all = f"{count} databases" if (count := row.live.database_count) > len(busiest) else "its databases"
            yield f"{row.name}: busiest of {of_all}: {', '.join(busiest)}"


def hindrances(survey: Survey) -> Iterator[str]:
    """Yield why a watcher's process does not work, what it has to do with besides its errors, and what to do."""
    for row in survey.rows:
        if row.state in STUCK:
            yield f"{row.name}: {reason(row)}"
            yield f"    hint: {hint_for_stuck(row)}"
        for trouble in troubles(row):
            yield f"{row.name}: {printable(trouble.text)}"
            yield f"    hint: {trouble.hint}"


def marks(survey: Survey) -> Iterator[str]:
    """Yield which running watchers would come back in another way, or not at all, and what to do."""
    names = defaultdict[Remark, list[str]](list)
    for row in survey.rows:
        for remark in remarks(row):
            names[remark].append(row.name)
    for remark, those in sorted(names.items()):
        yield f"{', '.join(those)}: {remark.text}"
        yield f"    hint: {remark.hint_for(those)}"


def snapshots(survey: Survey) -> Iterator[str]:
    """Yield a line for each snapshot that is under way, or ended not long ago while the watcher still runs, and what to do about
    one that failed."""
    for row in survey.rows:
        snapshot = row.report.snapshot if row.report else None
        is_news = snapshot and (row.is_running or snapshot.is_under_way or row.has_aborted_snapshot)
        if snapshot and is_news and is_shown(snapshot, survey.at):
            yield f"{row.name}: {printable(snapshot_line(snapshot, survey.at, is_live=row.live is not None))}"
            if row.has_aborted_snapshot:
                yield f"    hint: begin another one: watcherctl snapshot start {row.name}"


def errors(survey: Survey) -> Iterator[str]:
    """Yield the present and recent troubles: configuration faults, and the last errors with their age and hint."""
    for row in survey.rows:
        for fault in faults(row):
            yield f"{row.name}: {printable(fault)}"
        if error := row.recent_error(survey.at):
            age = f"{duration_in_words(survey.at - error.at)} ago{', over' if row.is_over else ''}"
            yield f"{row.name}: {printable(error.message)} ({age})"
            if row.hint:
                yield f"    hint: {printable(row.hint)}"
