"""The workers' metrics put together: one valid exposition, whatever a worker's file holds."""

from __future__ import annotations

import os
import random
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.programs import find_program
from tests.support.status_reports import report_of
from watcher.agent.metrics.content import WorkerMetrics, agent_metrics, fleet_metrics
from watcher.agent.metrics.exposition import merge, parse
from watcher.agent.metrics.own_metrics import AgentCounts
from watcher.config import Deployment
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
AWKWARD = 'a "quoted" \\ back\nslash {}, é = and what only Python takes for ends of lines: \u2028 \x85 \x0c \x1d \r'


def worker_text(name: str, *, seed: int = 1) -> str:
    """Metrics as prometheus_client writes them, of all three kinds and with an awkward label."""
    numbers = random.Random(seed)
    registry = CollectorRegistry()
    messages = Counter("watcher_messages", "Messages.", ["watcher", "topic"], registry=registry)
    for topic in ("insert", AWKWARD):
        messages.labels(name, topic).inc(numbers.random() * 1e9)
    Gauge("watcher_lag_seconds", "Lag.", ["watcher"], registry=registry).labels(name).set(-1.5e-7)
    Histogram("watcher_commit_seconds", "How long.", ["watcher"], registry=registry).labels(name).observe(numbers.random())
    return generate_latest(registry).decode()


def samples(text: str) -> set[tuple[str, tuple[tuple[str, str], ...], float]]:
    """Parse what a Prometheus client understands of an exposition."""
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items())), s.value) for family in families for s in family.samples}


def promtool_accepts(text: str) -> bool:
    """Prometheus' own tool; what it finds fault with in style is no matter here, but its exit code says so too."""
    command = [find_program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return True


def running(name: str, state: WatcherState = WatcherState.STREAMING) -> Row:
    report = report_of({"pid": 7, "state": "streaming", "startedAt": NOW, "updatedAt": NOW})
    return Row(name, state, enabled=True, process=Process(name, "RUNNING", pid=7, started_at=1), report=report)


def ended(name: str) -> Row:
    return Row(name, WatcherState.FAILED, enabled=False, process=Process(name, "EXITED", started_at=1, exit_status=80))


def test_merging_keeps_every_sample_and_each_family_once() -> None:
    texts = [worker_text("a"), worker_text("b", seed=2), worker_text("c", seed=3)]
    merged = merge(map(parse, texts))
    assert samples(merged) == set().union(*map(samples, texts))
    types = [line.split()[2] for line in merged.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types)) > 2
    assert promtool_accepts(merged)


@pytest.mark.parametrize(
    "line",
    [
        "watcher_lag_seconds",
        "watcher_lag_seconds one",
        'watcher_lag_seconds{watcher="a} 1',
        "watcher_lag_seconds{watcher=a} 1",
        'watcher_lag_seconds{watcher="a"}1',
        'watcher_lag_seconds{watcher="a"} 1 2 3',
        'watcher_other{watcher="a"} 1',
        "\x00\x00\x00",
        "<html>",
        "# TYPE",
    ],
)
def test_a_line_that_nobody_understands_costs_only_itself(line: str) -> None:
    good = '# TYPE watcher_lag_seconds gauge\nwatcher_lag_seconds{watcher="b"} 1\n'
    assert merge([parse(f"{good}{line}\n"), parse(good.replace('"b"', '"c"'))]) == (
        '# TYPE watcher_lag_seconds gauge\nwatcher_lag_seconds{watcher="b"} 1\nwatcher_lag_seconds{watcher="c"} 1\n'
    )


def test_of_two_types_the_first_counts() -> None:
    old, new = (f'# TYPE watcher_x {kind}\nwatcher_x{{watcher="{kind}"}} 1\n' for kind in ("gauge", "counter"))
    assert merge([parse(old), parse(new)]) == old


@pytest.mark.parametrize("number", ["0", "-1", "1.", "1.5e+09", "+Inf", "-Inf", "NaN", "1e-7 1700000000000"])
def test_numbers(number: str) -> None:
    text = f"# TYPE watcher_x gauge\nwatcher_x {number}\n"
    assert merge([parse(text)]) == text


def test_only_workers_that_run_and_write_have_series_but_all_are_up_or_not(tmp_path: Path) -> None:
    for name in ("a", "hung", "gone", "old", "future", "unknown"):
        (tmp_path / f"{name}.prom").write_text(worker_text(name))
    for name, at in (("old", time.time() - 60), ("future", time.time() + 60)):  # the second if the clock was set back since
        os.utime(tmp_path / f"{name}.prom", (at, at))
    rows = (
        running("a"),
        running("hung", WatcherState.HUNG),
        ended("gone"),
        running("old"),
        running("future"),
        running("unknown", WatcherState.UNKNOWN),
        running("stalled", WatcherState.STALLED),
    )
    text = fleet_metrics(Survey(NOW, 4700, rows), WorkerMetrics(Deployment(tmp_path, tmp_path, tmp_path)))
    values = {(name, dict(labels).get("watcher")): value for name, labels, value in samples(text)}
    assert [watcher for name, watcher in values if name == "watcher_lag_seconds"] == ["a"]
    up = {watcher: value for (name, watcher), value in values.items() if name == "watcher_up"}
    assert up == {"a": 1, "hung": 0, "gone": 0, "old": 1, "future": 1, "unknown": 1, "stalled": 1}
    assert values["watcher_hung", "hung"] == values["watcher_stalled", "stalled"] == values["watcher_supervisor_up", None] == 1
    assert values["watcher_hung", "stalled"] == values["watcher_stalled", "hung"] == values["watcher_enabled", "gone"] == 0
    assert values["watcher_exit_code", "gone"] == 80
    assert ("watcher_exit_code", "a") not in values
    assert promtool_accepts(text)


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    survey, workers = Survey(NOW, 4700, (running("a"),)), WorkerMetrics(Deployment(tmp_path, tmp_path, tmp_path))
    assert "watcher_lag_seconds" not in fleet_metrics(survey, workers)
    (tmp_path / "a.prom").write_text("# TYPE watcher_x gauge\nwatcher_x 1\n")
    assert "watcher_x 1\n" in fleet_metrics(survey, workers)
    (tmp_path / "a.new").write_text("# TYPE watcher_x gauge\nwatcher_x 2\n")
    (tmp_path / "a.new").replace(tmp_path / "a.prom")
    assert "watcher_x 2\n" in fleet_metrics(survey, workers)


def test_a_process_that_supervisord_no_longer_tells_of_has_not_started_again() -> None:
    """Then the start that its own status tells is used, which comes up to a second later."""
    counts = AgentCounts()
    for started_at in (1000, 1001):
        process = Process("a", "RUNNING", pid=7, started_at=started_at, birth="boot/42")
        counts.note([Row("a", WatcherState.STREAMING, True, process)])
    assert counts.starts["a"] == 1
    counts.note([Row("a", WatcherState.STREAMING, True, Process("a", "RUNNING", pid=7, started_at=1001, birth="boot/43"))])
    counts.note([Row("a", WatcherState.STREAMING, True, Process("a", "RUNNING", pid=8, started_at=1002))])
    assert counts.starts["a"] == 3


def test_the_agent_adds_what_it_has_counted_and_itself(tmp_path: Path) -> None:
    counts = AgentCounts()
    counts.note([running("a")])
    counts.note([running("a")])
    counts.note([Row("a", WatcherState.FAILED, enabled=True, process=Process("a", "EXITED"))])
    again = running("a")
    counts.note([Row("a", WatcherState.STREAMING, enabled=True, process=Process("a", "RUNNING", pid=8), report=again.report)])
    counts.hung_restarts["a"] += 1
    text = agent_metrics(
        Survey(NOW + timedelta(seconds=1), None, (again,)), WorkerMetrics(Deployment(tmp_path, tmp_path, tmp_path)), counts
    )
    values = {(name, dict(labels).get("watcher")): value for name, labels, value in samples(text)}
    assert values["watcher_starts_total", "a"] == 2
    assert values["watcher_hung_restarts_total", "a"] == 1
    assert values["watcher_supervisor_up", None] == 0
    assert values["watcher_agent_process_resident_memory_bytes", None] > 1e6
    assert promtool_accepts(text)
