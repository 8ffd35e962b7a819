"""Lines about where the time of a run went."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.run_report import RunReport, Sample, Span, file_lines, process_lines, processor_line

pytestmark = pytest.mark.one_python  # it is about the tests

SPANS = [
    Span("tests/faults/hosts", "gw0", 0, 600),
    Span("tests/integration/test_a.py", "gw1", 0, 400),
    Span("tests/unit/test_b.py", "gw1", 500, 520),
    Span("tests/unit/test_c.py", "gw0", 950, 1000),
]


def test_a_process_that_has_nothing_to_do_is_seen() -> None:
    assert [*process_lines(SPANS, 0, 1000)] == [
        "gw0: with a test 65% of the time, 28% of the last 180 s, until 1000 s; last tests/unit/test_c.py",
        "gw1: with a test 42% of the time, 0% of the last 180 s, until 520 s; last nothing",
    ]


def test_the_longest_files_come_first() -> None:
    assert [line.split()[2] for line in file_lines(SPANS, 0)] == [
        "tests/faults/hosts,", "tests/integration/test_a.py,", "tests/unit/test_c.py,", "tests/unit/test_b.py,"
    ]  # fmt: skip
    assert [*file_lines(SPANS, 0)][2] == "   50 s  tests/unit/test_c.py, from 950 s on"


def test_the_processor_is_all_cores() -> None:
    cores = os.cpu_count() or 1
    samples = [Sample(0.0, 0.0, 1.0), Sample(820.0, 410.0 * cores, 8.2), Sample(1000.0, 500.0 * cores, 4.0)]
    assert processor_line(samples) == "processor: busy 50% of the time, 50% of the last 180 s; load up to 8"


@pytest.mark.parametrize(("seconds", "told"), [(1, False), (100, True)])
def test_only_long_runs_tell_it(seconds: int, told: bool) -> None:
    lines: list[str] = []
    report: Any = SimpleNamespace(
        nodeid="tests/unit/test_b.py::test_one", start=1000.0, stop=1001.0, node=SimpleNamespace(gateway=SimpleNamespace(id="gw0"))
    )
    terminal: Any = SimpleNamespace(section=lines.append, write_line=lines.append)
    run = RunReport(iter([1000.0, 1000.0 + seconds]).__next__)
    run.pytest_runtest_logreport(report)
    run.pytest_terminal_summary(terminal)
    assert bool(lines) == told
