"""Metrics of the watchers as seen from outside, for Prometheus. They also cover watchers whose worker is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watcher.fleet.status import Row, WatcherState
from watcher.fleet.survey import Survey

_ENDED = {"EXITED", "FATAL"}


@dataclass(slots=True)
class AgentCounts:
    """The agent's counters by watcher since its own start: worker processes seen, and restarts of hung workers."""

    starts: Counter[str] = field(default_factory=Counter)
    hung_restarts: Counter[str] = field(default_factory=Counter)
    _seen: dict[str, tuple[int, str | int]] = field(default_factory=dict)

    def note(self, rows: Iterable[Row]) -> None:
        """Count each process that was not there last time."""
        processes = {row.name: row.process for row in rows if row.process and row.process.pid}
        seen = {name: (process.pid, process.birth or process.started_at) for name, process in processes.items()}
        self.starts.update(name for name, process in seen.items() if self._seen.get(name) != process)
        self._seen |= seen


def fleet_exposition(survey: Survey, counts: AgentCounts | None = None) -> str:
    """The metrics of the fleet in Prometheus' text format."""
    return _text(_Fleet(survey, counts))


def process_exposition() -> str:
    """The metrics of the agent's own process."""
    return _text(ProcessCollector(namespace="watcher_agent", registry=None))


class _Fleet(Collector):
    def __init__(self, survey: Survey, counts: AgentCounts | None) -> None:
        self._survey = survey
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        rows = self._survey.rows
        yield GaugeMetricFamily(
            "watcher_supervisor_up", "Whether supervisord runs.", value=float(self._survey.supervisord_pid is not None)
        )
        yield _gauge("up", "Whether a worker process is there and not hung.", {row.name: _is_up(row) for row in rows})
        yield _gauge(
            "hung", "Whether the worker no longer writes its status.", {row.name: row.state is WatcherState.HUNG for row in rows}
        )
        yield _gauge(
            "stalled",
            "Whether MongoDB's time moves and the position does not.",
            {row.name: row.state is WatcherState.STALLED for row in rows},
        )
        yield _gauge("enabled", "Whether the watcher starts with supervisord.", {row.name: row.enabled for row in rows})
        yield _gauge("exit_code", "Exit code of the last process; absent while one runs.", _exit_codes(rows))
        if self._counts:
            yield _counter("starts", "Worker processes that the agent has seen.", self._counts.starts, rows)
            yield _counter("hung_restarts", "Hung workers that the agent has restarted.", self._counts.hung_restarts, rows)


def _text(collector: Collector) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def _is_up(row: Row) -> bool:
    return row.is_running and row.state is not WatcherState.HUNG


def _exit_codes(rows: Iterable[Row]) -> dict[str, float]:
    ended = {row.name: row.process for row in rows if row.process and row.process.state in _ENDED}
    return {name: process.exit_status for name, process in ended.items()}


def _gauge(name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"watcher_{name}", text, labels=["watcher"])
    for watcher, value in values.items():
        family.add_metric([watcher], value)
    return family


def _counter(name: str, text: str, counts: Mapping[str, int], rows: Iterable[Row]) -> Metric:
    family = CounterMetricFamily(f"watcher_{name}", text, labels=["watcher"])
    for row in rows:
        family.add_metric([row.name], counts.get(row.name, 0))
    return family
