"""The agent's view of the fleet: the current conf.d, the latest survey, and the last hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import orjson
from starlette.requests import Request

from watcher.agent.files import ConfDirCache, FileCache
from watcher.agent.metrics.content import WorkerMetrics, agent_metrics
from watcher.agent.metrics.own_metrics import AgentCounts
from watcher.agent.view.changes import ChangeSignal
from watcher.agent.view.history import History
from watcher.agent.view.once import OncePerSurvey
from watcher.agent.view.settings_changes import SettingsChanges
from watcher.config import Deployment, Loaded, Settings
from watcher.config.agent_settings import AgentSettings
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.agent_state import agent_state
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError
from watcher.fleet.polling import is_there
from watcher.fleet.status import Row
from watcher.fleet.status_json import as_json
from watcher.fleet.survey import Supervised, Survey, ask, faults_by_name, look
from watcher.status.report import StatusReport, read_report

READ_AFTER = timedelta(seconds=2)
"""The time after which conf.d is looked at again; and supervisord is asked again if it does not run or answer, or if a process
was on its way to another state."""

ASK_AFTER = timedelta(seconds=10)
"""The time for which supervisord's answer is used, unless a process has been started or has ended since. To ask it costs more than
all the rest of a look."""

BLIND_SECONDS = 15.0
"""The time without a look after which the latest one is doubted. Looks are at most 2.5 s apart, or 10 s if supervisord hangs."""

PASSING = {"STARTING", "BACKOFF", "STOPPING"}
"""supervisord's states of a process that another one follows by itself."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class FleetView:
    """The latest look at the fleet. Any thread may read and refresh it.

    `supervised` is supervisord's last answer. `trouble` is the reason why it does not answer; it is empty if supervisord answers or
    does not run. `pages` has what the page shows of the latest survey.
    """

    def __init__(self, fleet: Fleet, agent: AgentSettings) -> None:
        self.fleet = fleet
        self.agent = agent
        self.history = History()
        self.changes = ChangeSignal()
        self.counts = AgentCounts()
        self.supervised = Supervised()
        self.trouble = ""
        self.pages = OncePerSurvey()
        self._asked_at = self._read_at = LONG_AGO
        self._looked_at = 0.0
        self._refreshing = threading.Lock()
        self._documents = OncePerSurvey()
        self._conf = ConfDirCache(fleet.deployment.conf_dir)
        self._reports = FileCache(fleet.deployment.status_file, read_report)
        self._changes_of_settings = SettingsChanges(fleet)
        self._worker_metrics = WorkerMetrics(fleet.deployment)
        self.refresh(ask_anew=True)

    @property
    def deployment(self) -> Deployment:
        """The deployment, with the places of `conf.d/`, `run/` and `log/`."""
        return self.fleet.deployment

    @property
    def settings(self) -> Mapping[str, Settings]:
        """The settings of all watchers whose configuration has no fault."""
        return self.loaded.watchers

    @property
    def doubt(self) -> str:
        """The reason why the latest survey may be out of date, in a sentence; empty if there is none."""
        if self.trouble or (seconds := time.monotonic() - self._looked_at) < BLIND_SECONDS:
            return self.trouble
        return f"the agent has not looked at the fleet for {int(seconds)} s"

    def row(self, name: str) -> Row | None:
        """One watcher in the latest survey; None if there is none with this name."""
        return next((row for row in self.survey.rows if row.name == name), None)

    def document(self) -> bytes:
        """The document of `watcherctl status --json` as of the latest survey, made once for all who ask for it."""
        survey = self.survey
        return self._documents.get(survey, None, lambda: orjson.dumps(as_json(survey)))

    def metrics(self) -> str:
        """All metrics in Prometheus' text format."""
        return agent_metrics(self.survey, self._worker_metrics, self.counts)

    def refresh(self, *, ask_anew: bool = False) -> None:
        """Look again. supervisord is asked if its last answer is too old, or if `ask_anew` is set."""
        with self._refreshing:
            self._read_conf(anew=ask_anew)
            faults = faults_by_name(self.loaded, self.supervised)
            reports = {name: self._reports.get(name) for name in faults}
            if ask_anew or self._is_outdated(filter(None, reports.values())):
                self._ask()
                faults = faults_by_name(self.loaded, self.supervised)
                reports = {name: self._reports.get(name) for name in faults}
            self.survey: Survey = look(self.fleet, faults, self.supervised, reports.get, self._unapplied, self._agent)
            self._reports.keep_only(faults)
            self.counts.note(self.survey.rows)
            self._looked_at = time.monotonic()

    def _read_conf(self, *, anew: bool) -> None:
        if anew or abs(datetime.now(UTC) - self._read_at) >= READ_AFTER:
            self._read_at = datetime.now(UTC)
            self.loaded: Loaded = self._conf.get()
            self._unapplied = self._changes_of_settings.get(self.loaded)
            self._look_at_itself()

    def _is_outdated(self, reports: Iterable[StatusReport]) -> bool:
        """True if supervisord's answer is too old, or supervisord or a process of its has ended since, or one has started: the
        answer would not fit it."""
        processes = self.supervised.processes.values()
        is_settled = self.supervised.pid and not self.trouble and not any(process.state in PASSING for process in processes)
        if abs(datetime.now(UTC) - self._asked_at) >= (ASK_AFTER if is_settled else READ_AFTER):
            return True
        pids = {pid for pid in (self.supervised.pid, *[process.pid for process in processes]) if pid}
        has_started = any(report.started_at > self._asked_at and report.pid not in pids for report in reports)
        return has_started or not all(map(is_there, pids))

    def _ask(self) -> None:
        self._asked_at = datetime.now(UTC)
        try:
            self.supervised = ask(self.fleet)
            self.trouble = ""
        except FleetError as error:
            self.trouble = str(error)
        self._look_at_itself()

    def _look_at_itself(self) -> None:
        self._agent = agent_state(self.fleet, self.supervised.processes.get(AGENT))


def view_of(request: Request) -> FleetView:
    """The view of the fleet that a request is about."""
    view = request.app.state.view
    assert isinstance(view, FleetView)  # noqa: S101
    return view
