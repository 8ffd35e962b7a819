"""pytest plugin: where the time of a run with pytest-xdist went, as lines before the summary.

A process that runs no test has to wait for its turn (side_by_side.py), or nothing is left for it: then a file that takes long has
begun too late. A processor that is not busy could take one process more. A high load tells of a machine that is slow, or shared.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import psutil
import pytest

from tests.support.side_by_side import files_of

TOLD_FROM_S = 60.0
"""Shorter runs tell nothing."""

END_S = 180.0
"""Length of what is called the end of a run, in seconds."""

LONGEST = 12
"""Number of files that are named."""


class Span(NamedTuple):
    """A part of a test: set-up, call or tear-down. Times are in seconds since 1970."""

    files: str
    process: str
    start: float
    stop: float


class Sample(NamedTuple):
    """The machine at a moment, in seconds since 1970: the seconds that all cores together have been busy, and the load average of a
    minute."""

    moment: float
    busy: float
    load: float


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that reports sees all the others."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RunReport(), "run-report")


class RunReport:
    """Collects the spans of all processes, and samples of the processor's time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._spans: list[Span] = []
        self._samples = [self._sample()]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test has ended, in one of pytest-xdist's processes."""
        if node := getattr(report, "node", None):
            self._spans.append(Span(files_of(report.nodeid), node.gateway.id, report.start, report.stop))
            self._samples.append(self._sample())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell it, if the run was long enough."""
        begin, end = self._samples[0].moment, self._samples[-1].moment
        if self._spans and end - begin >= TOLD_FROM_S:
            terminalreporter.section("where the time went")
            for line in (processor_line(self._samples), *process_lines(self._spans, begin, end), *file_lines(self._spans, begin)):
                terminalreporter.write_line(line)

    def _sample(self) -> Sample:
        return Sample(self._clock(), processor_seconds(), os.getloadavg()[0])


def processor_seconds() -> float:
    """Time that all cores have been busy since the machine has started, in seconds."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def processor_line(samples: list[Sample]) -> str:
    """Share of all cores that was busy, whoever made them so, and how many processes wanted them."""
    last = samples[-1]

    def share(since: float) -> float:
        first = next(sample for sample in samples if sample.moment >= since)
        return (last.busy - first.busy) / max(last.moment - first.moment, 0.001) / (os.cpu_count() or 1)

    return (
        f"processor: busy {share(samples[0].moment):.0%} of the time, {share(last.moment - END_S):.0%} of the last {END_S:.0f} s; "
        f"load up to {max(sample.load for sample in samples):.0f}"
    )


def process_lines(spans: Iterable[Span], begin: float, end: float) -> Iterator[str]:
    """A line for each process: how much of its time it had a test, and what it did in the end."""
    of_process = defaultdict(list)
    for span in spans:
        of_process[span.process].append(span)
    for process, own in sorted(of_process.items()):
        last = dict.fromkeys(span.files for span in own if span.stop > end - END_S)
        yield (
            f"{process}: with a test {_seconds(own, begin) / (end - begin):.0%} of the time, "
            f"{_seconds(own, end - END_S) / min(END_S, end - begin):.0%} of the last {END_S:.0f} s, "
            f"until {max(span.stop for span in own) - begin:.0f} s; last {', '.join([*last][-3:]) or 'nothing'}"
        )


def file_lines(spans: Iterable[Span], begin: float) -> Iterator[str]:
    """A line for each of the files that took longest, which begin first if the order is right."""
    of_files = defaultdict(list)
    for span in spans:
        of_files[span.files].append(span)
    longest = sorted(of_files.items(), key=lambda item: -_seconds(item[1], begin))[:LONGEST]
    for files, own in longest:
        yield f"{_seconds(own, begin):5.0f} s  {files}, from {min(span.start for span in own) - begin:.0f} s on"


def _seconds(spans: Iterable[Span], since: float) -> float:
    """Length of the spans together, as far as they lie after that moment."""
    return sum(max(0.0, span.stop - max(span.start, since)) for span in spans)
