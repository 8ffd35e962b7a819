"""A survey of the fleet: asks supervisord, reads the status files, and makes a row for each watcher."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from watcher.config.fault import Fault
from watcher.config.files.conf_dir import AGENT
from watcher.config.loader import Loaded
from watcher.fleet.agent_state import NO_AGENT, AgentState, agent_state
from watcher.fleet.control import Fleet
from watcher.fleet.errors import NotRunning
from watcher.fleet.files import why_unwritable
from watcher.fleet.launch import in_words_lost, lost_pid
from watcher.fleet.lost import lost_supervisord
from watcher.fleet.polling import is_still
from watcher.fleet.sharing import is_open_to_us, watchers_seen
from watcher.fleet.status import GONE, HUNG_AFTER, Row, row
from watcher.fleet.supervisord import Process
from watcher.status.report import StatusReport, read_report


@dataclass(frozen=True, slots=True)
class Survey:
    """The fleet at one moment. `supervisord_pid` is None if supervisord does not run, or runs but cannot be reached.

    In the second case `lost_pid` is its process id.
    """

    at: datetime
    supervisord_pid: int | None
    rows: tuple[Row, ...]
    lost_pid: int | None = None
    agent: AgentState = NO_AGENT
    unwritable: str = ""
    """The reason why workers cannot write their status. It is checked only if a running worker has not written one lately."""

    @property
    def is_supervised_elsewhere(self) -> bool:
        """True if all workers run though no supervisord does: systemd or Kubernetes has started them."""
        has_none = self.supervisord_pid is None and self.lost_pid is None
        return has_none and bool(self.rows) and all(row.is_running for row in self.rows)

    @property
    def trouble(self) -> str:
        """The trouble with the fleet as a whole, in a sentence; empty if there is none."""
        if self.lost_pid:
            return in_words_lost(self.lost_pid)
        return "supervisord is not running" if self.supervisord_pid is None else self.unwritable


@dataclass(frozen=True, slots=True)
class Supervised:
    """supervisord's own process id, or None if it does not run, and its processes by name. `lost_pid` is as in Survey. If it
    `is_anothers`, it could not be asked."""

    pid: int | None = None
    processes: Mapping[str, Process] = field(default_factory=dict)
    lost_pid: int | None = None
    is_anothers: bool = False

    @property
    def running(self) -> set[str]:
        """The names of the processes that run."""
        return {name for name, process in self.processes.items() if process.is_running}

    @property
    def watchers(self) -> set[str]:
        """The names of the watchers that supervisord knows."""
        return self.processes.keys() - {AGENT}


ReadReport = Callable[[str], StatusReport | None]


def ask(fleet: Fleet) -> Supervised:
    """Ask supervisord. Raises FleetError if it runs but does not answer. If it is another user's who lets us read, the workers'
    files tell in its place, as far as they know."""
    if is_open_to_us(fleet.deployment):
        processes = {name: Process(name, "STOPPED") for name in watchers_seen(fleet.deployment)}
        return Supervised(lost_supervisord(fleet.deployment.supervisord_config), processes, is_anothers=True)
    try:
        return Supervised(fleet.supervisord.pid(), fleet.supervisord.processes())
    except NotRunning:
        return Supervised(lost_pid=lost_pid(fleet.deployment))


def survey(fleet: Fleet, names: Iterable[str], changed: Collection[str] = ()) -> Survey:
    """Survey these watchers; `changed` are as in `look`. Raises FleetError."""
    return look(fleet, dict.fromkeys(names, ""), ask(fleet), report_reader(fleet), changed)


def whole_survey(fleet: Fleet, loaded: Loaded) -> Survey:
    """Survey all watchers. Raises FleetError."""
    supervised = ask(fleet)
    changed = fleet.unapplied(loaded.watchers.values())
    return look(fleet, faults_by_name(loaded, supervised), supervised, report_reader(fleet), changed)


def faults_by_name(loaded: Loaded, supervised: Supervised) -> dict[str, str]:
    """Every watcher in conf.d, and those that only supervisord still has. Each maps to its configuration fault; empty if none."""
    faults = dict.fromkeys(supervised.watchers, "" if supervised.is_anothers else GONE)
    faults |= dict.fromkeys(loaded.watchers, "") | {name: _in_short(found) for name, found in loaded.broken.items()}
    return dict(sorted(faults.items()))


def _in_short(faults: Sequence[Fault]) -> str:
    more = f" (and {len(faults) - 1} more; watcherctl check shows all)" if len(faults) > 1 else ""
    return f"{faults[0]}{more}"


def report_reader(fleet: Fleet) -> ReadReport:
    """A function that reads the status files of `fleet`."""
    return lambda name: read_report(fleet.deployment.status_file(name))


def look(
    fleet: Fleet,
    faults: Mapping[str, str],
    supervised: Supervised,
    read: ReadReport,
    changed: Collection[str] = (),
    agent: AgentState | None = None,
) -> Survey:
    """Make a row for each name in `faults`, from supervisord's answer and the report that `read` returns now. `changed` are those
    whose settings are others than when they were started. The state of the `agent` is found out unless it is given."""
    now, disabled = datetime.now(UTC), fleet.disabled.names()

    def row_of(name: str, fault: str) -> Row:
        report = read(name)
        process = _process(name, supervised.processes.get(name), report, now)
        return row(name, process, report, now=now, enabled=name not in disabled, fault=fault, has_changed=name in changed)

    rows = tuple(row_of(name, fault) for name, fault in faults.items())
    silent = any(row.is_running and not row.live for row in rows)
    return Survey(
        now,
        supervised.pid,
        rows,
        supervised.lost_pid,
        agent or agent_state(fleet, supervised.processes.get(AGENT)),
        why_unwritable(fleet.deployment.run_dir) if silent else "",
    )


def _process(name: str, process: Process | None, report: StatusReport | None, now: datetime) -> Process | None:
    if report and not (process and process.is_running):
        return _by_hand(name, report, now) or process
    return process


def _by_hand(name: str, report: StatusReport, now: datetime) -> Process | None:
    """The process of a worker that runs without supervisord: by `watcherctl run NAME`, or since supervisord was killed. None if
    there is none. An old report without a birth may name another process by now."""
    is_certain = report.birth or abs(now - report.updated_at) <= HUNG_AFTER
    if not is_certain or not is_still(report.pid, report.birth):
        return None
    return Process(name, "RUNNING", pid=report.pid, started_at=int(report.started_at.timestamp()), birth=report.birth)
