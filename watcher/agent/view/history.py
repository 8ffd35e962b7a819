"""The last hour of each watcher, kept in memory for the page's charts."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from watcher.fleet.status import Row, WatcherState
from watcher.operations import ROW_OPERATIONS
from watcher.status.report import StatusReport

STEP_SECONDS = 5.0
STEPS = 720
"""The number of samples in an hour."""

GAUGES = ("lagSeconds", "batchSize", "commitSeconds", "rssBytes", "headroomSeconds")
"""The series whose values are taken unchanged from the status file."""

_GAUGES_OF = attrgetter(*(each.name for key in GAUGES for each in StatusReport.fields() if each.key == key))

SERIES = (*ROW_OPERATIONS, *GAUGES)
UNKNOWN = math.nan


@dataclass(slots=True)
class _Course:
    """One watcher's columns. They are packed arrays, since fifty watchers have 360,000 numbers."""

    at: array[float] = field(default_factory=lambda: array("d"))
    rates: array[float] = field(default_factory=lambda: array("d"))
    """Those of all operations together: the overview shows them for each watcher, so they are not added up for each look at it."""
    columns: dict[str, array[float]] = field(default_factory=lambda: {name: array("d") for name in SERIES})
    before: StatusReport | None = None

    def add(self, at: float, values: Mapping[str, float]) -> None:
        """Add a sample. Of steps that were missed, as while the host was suspended, nothing is known; and samples that lie ahead of
        it, because the clock was set back, are dropped."""
        kept = bisect_left(self.at, at)
        for column in (self.at, self.rates, *self.columns.values()):
            del column[kept:]
        missed = min(int((at - self.at[-1]) / STEP_SECONDS) - 1, STEPS) if self.at else 0
        for steps in range(missed, 0, -1):
            self._append(at - steps * STEP_SECONDS, {})
        self._append(at, values)

    def _append(self, at: float, values: Mapping[str, float]) -> None:
        rate = sum(values.get(name, UNKNOWN) for name in ROW_OPERATIONS)
        columns = ((self.columns[name], values.get(name, UNKNOWN)) for name in SERIES)
        for column, value in ((self.at, at), (self.rates, rate), *columns):
            column.append(value)
            del column[:-STEPS]


class History:
    """A sample of each watcher every STEP_SECONDS, for an hour."""

    def __init__(self) -> None:
        self._courses: dict[str, _Course] = {}

    def add(self, at: float, rows: Iterable[Row]) -> None:
        """Add a sample taken at `at`, in seconds since 1970. Watchers that are not in `rows` are forgotten."""
        courses = {row.name: self._courses.get(row.name) or _Course() for row in rows}
        for row in rows:
            course = courses[row.name]
            report = row.report if row.is_running and row.state not in (WatcherState.HUNG, WatcherState.UNKNOWN) else None
            course.add(at, _values(report, course.before) if report else {})
            course.before = row.report
        self._courses = courses

    def of(self, name: str, steps: int = STEPS) -> dict[str, list[float | None]]:
        """The last `steps` samples: `at` in seconds since 1970, events per second by operation, and GAUGES.

        All lists have the same length. Unknown values are None.
        """
        course = self._courses.get(name) or _Course()
        known = {series: _known(column[-steps:]) for series, column in course.columns.items()}
        return {"at": list(course.at[-steps:]), **known}

    def rates(self, name: str, steps: int = STEPS) -> list[float | None]:
        """Events per second of all operations together, as in `of`."""
        course = self._courses.get(name)
        return _known(course.rates[-steps:]) if course else []


def _known(column: array[float]) -> list[float | None]:
    values: list[float | None] = [*column]
    if not math.isnan(sum(column)):  # most often all are known, and to look at each takes ten times as long
        return values
    return [None if math.isnan(value) else value for value in column]


def _values(report: StatusReport, before: StatusReport | None) -> dict[str, float]:
    gauges = zip(GAUGES, _GAUGES_OF(report), strict=True)
    return {name: value for name, value in gauges if value is not None} | rates(report, before)


def rates(report: StatusReport, before: StatusReport | None) -> dict[str, float]:
    """Events per second between two reports, by operation; empty if no time lies between them. A new process counts from zero; one
    that is looked at for the first time, and has run for long, would tell the average of all that time."""
    same = before is not None and before.pid == report.pid and before.started_at == report.started_at
    since, counted = (before.updated_at, before.events) if before and same else (report.started_at, {})
    seconds = (report.updated_at - since).total_seconds()
    if seconds <= 0 or (before is None and seconds > 2 * STEP_SECONDS):
        return {}
    return {name: max(0, report.events.get(name, 0) - counted.get(name, 0)) / seconds for name in ROW_OPERATIONS}
