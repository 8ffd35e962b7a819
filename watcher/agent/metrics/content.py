"""The content of `/metrics`: the workers' files `run/<name>.prom`, the fleet's metrics, and those of the agent's own process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from watcher.agent.files import FileCache
from watcher.agent.metrics.exposition import Family, merge, parse
from watcher.agent.metrics.own_metrics import AgentCounts, fleet_exposition, process_exposition
from watcher.config import Deployment
from watcher.fleet.status import HUNG_AFTER, Row, WatcherState
from watcher.fleet.survey import Survey

_SILENT = {WatcherState.HUNG, WatcherState.UNKNOWN}


class WorkerMetrics:
    """The metrics that the workers of a deployment have written. A file is read again only if it has changed."""

    def __init__(self, deployment: Deployment) -> None:
        self._path_of = deployment.metrics_file
        self._files = FileCache(self._path_of, _read)

    def of(self, survey: Survey) -> Iterator[Mapping[str, Family]]:
        """The metrics of each worker that runs and still writes. The series of the others end."""
        names = [row.name for row in survey.rows]
        self._files.keep_only(names)
        return (self._files.get(row.name) for row in survey.rows if self._is_fresh(row))

    def _is_fresh(self, row: Row) -> bool:
        if not row.is_running or row.state in _SILENT:
            return False
        try:
            age = abs(time.time() - self._path_of(row.name).stat().st_mtime)
        except OSError:
            return False
        return age <= HUNG_AFTER.total_seconds()


def _read(path: Path) -> dict[str, Family]:
    try:
        return parse(path.read_bytes().decode(errors="replace"))
    except OSError:
        return {}


def fleet_metrics(survey: Survey, workers: WorkerMetrics) -> str:
    """The metrics of the fleet that are known without an agent."""
    return merge([parse(fleet_exposition(survey)), *workers.of(survey)])


def agent_metrics(survey: Survey, workers: WorkerMetrics, counts: AgentCounts) -> str:
    """The metrics of the fleet, with the agent's counters and its own process metrics."""
    return merge([parse(fleet_exposition(survey, counts)), *workers.of(survey), parse(process_exposition())])
