"""The model of the page: turns a survey and its history into the words and colours that the templates print. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from watcher.agent.page.snapshot import SnapshotView, snapshot_view, steps
from watcher.agent.page.spark import Rates, Spark, spark
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.survey import Survey
from watcher.fleet.troubles import MEANINGS, Remark, Trouble, faults, remarks, troubles
from watcher.status.report import LastError, StatusReport
from watcher.terminal.durations import headroom_in_words

LAG_SECONDS = 60.0
HEADROOM_SECONDS = 3600.0
HEADROOM_SHARE = 0.25
YOUNG = timedelta(hours=1)
"""Limits at which lag and headroom are marked; headroom in seconds or as a share of the oplog. They are those of the alerts. A
worker's first hour is exempt from the limit in seconds, because the alert waits for an hour too."""


class Level(StrEnum):
    """The attention that something needs, which decides its colour and shape. The most urgent level comes first."""

    BAD = "bad"
    WARN = "warn"
    BUSY = "busy"
    DOWN = "down"
    GOOD = "good"
    OFF = "off"


LEVELS = {
    WatcherState.FAILED: Level.BAD,
    WatcherState.STALLED: Level.BAD,
    WatcherState.HUNG: Level.BAD,
    WatcherState.UNKNOWN: Level.BAD,
    WatcherState.WAITING: Level.WARN,
    WatcherState.BACKING_OFF: Level.WARN,
    WatcherState.OPENING: Level.BUSY,
    WatcherState.STOPPING: Level.BUSY,
    WatcherState.STOPPED: Level.DOWN,
    WatcherState.NOT_STARTED: Level.DOWN,
    WatcherState.STREAMING: Level.GOOD,
    WatcherState.STANDBY: Level.GOOD,
    WatcherState.DISABLED: Level.OFF,
}
_URGENCY = list(Level)

_IN_A_SENTENCE = {WatcherState.STANDBY: "on standby", WatcherState.UNKNOWN: "in an unknown state"}
"""The states that are no word for what a watcher is."""


@dataclass(frozen=True, slots=True)
class WatcherView:
    """One watcher as the page shows it. `row` has the numbers, and `live` those that are current, if any are. `headroom` is the
    headroom in words. `snapshot_steps` are the commands that it offers for the snapshot."""

    row: Row
    live: StatusReport | None
    headroom_seconds: float | None
    headroom: str
    is_near_loss: bool
    level: Level
    error: LastError | None
    spark: Spark
    snapshot: SnapshotView | None
    snapshot_steps: tuple[str, ...]
    elsewhere: str
    """Of a standby: where the watcher is active."""
    faults: tuple[str, ...]
    troubles: tuple[Trouble, ...]
    remarks: tuple[Remark, ...]
    """Those on how it would come back."""

    @property
    def state(self) -> str:
        """The watcher's state, in a word or two."""
        return self.row.state.value

    @property
    def meaning(self) -> str:
        """An explanation of the state."""
        return MEANINGS[self.row.state]

    @property
    def lag_seconds(self) -> float | None:
        """The lag; None if no worker tells."""
        return self.live.lag_seconds if self.live else None

    @property
    def events_per_second(self) -> float | None:
        """The present rate; None if no worker tells."""
        return self.live.events_per_second if self.live else None

    @property
    def is_behind(self) -> bool:
        """True if the lag should be marked."""
        return (self.lag_seconds or 0.0) >= LAG_SECONDS


def watcher_view(row: Row, at: datetime, rates: Rates = (), top: float = 1.0) -> WatcherView:
    """Make the page's view of one watcher at the moment `at`. Its sparkline shows `rates`, on a scale that ends at `top`."""
    headroom, live = row.headroom_seconds(at), row.live
    return WatcherView(
        row,
        live,
        headroom,
        headroom_in_words(headroom, row.oplog_full),
        _is_near_loss(row, at),
        LEVELS[row.state],
        row.recent_error(at),
        spark(rates, top, is_live=live is not None),
        snapshot_view(row, at),
        steps(row),
        row.active_elsewhere(at),
        tuple(faults(row)),
        tuple(troubles(row)),
        tuple(remarks(row)),
    )


def most_urgent_first(watchers: Sequence[WatcherView]) -> list[WatcherView]:
    """Sort watchers by urgency, then by name."""
    return sorted(watchers, key=lambda watcher: (_URGENCY.index(watcher.level), watcher.row.name))


def overall(survey: Survey, watchers: Sequence[WatcherView]) -> Level:
    """The fleet's level: that of its most urgent watcher. Disabled watchers do not count."""
    if survey.supervisord_pid is None and not survey.is_supervised_elsewhere:
        return Level.BAD
    return min((watcher.level for watcher in watchers), key=_URGENCY.index, default=Level.OFF)


def summary(survey: Survey, watchers: Sequence[WatcherView]) -> str:
    """A sentence about the fleet."""
    if survey.lost_pid:
        return f"{survey.trouble}: nobody can start or stop a watcher; watcherctl down ends it"
    if survey.supervisord_pid is None and not survey.is_supervised_elsewhere:
        return "supervisord does not run: no watcher is started, or started again"
    meant = [watcher for watcher in watchers if watcher.level is not Level.OFF]
    if not meant:
        return "no watcher is meant to run" if watchers else "conf.d holds no watcher"
    if counts := _counts(meant):
        return _of_all(len(meant), counts)
    return "the watcher is streaming" if len(meant) == 1 else f"all {len(meant)} watchers are streaming"


def _is_near_loss(row: Row, at: datetime) -> bool:
    """True if the headroom should be marked, even if no worker runs. It is never marked for a disabled watcher."""
    report, headroom = row.report, row.headroom_seconds(at)
    if report is None or headroom is None or row.oplog_full is False or row.state is WatcherState.DISABLED:
        return False
    is_young = report.updated_at - report.started_at < YOUNG
    oplog = (report.headroom_seconds or 0) + (report.lag_seconds or 0)
    return headroom < HEADROOM_SHARE * oplog or (headroom < HEADROOM_SECONDS and not is_young)


def _counts(watchers: Sequence[WatcherView]) -> dict[WatcherState, int]:
    """The number of watchers in each state, the most urgent first. Those that stream are left out, unless others are on standby."""
    states = [watcher.row.state for watcher in most_urgent_first(watchers)]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    if counts.keys() - {WatcherState.STREAMING, WatcherState.STANDBY}:
        return {state: count for state, count in counts.items() if LEVELS[state] is not Level.GOOD}
    return counts if WatcherState.STANDBY in counts else {}


def _of_all(total: int, counts: Mapping[WatcherState, int]) -> str:
    """`1 of 3 watchers failed, 2 waiting`; `all 3 watchers waiting`; `the watcher is waiting` if there is no other."""
    (state, count), *others = counts.items()
    if total == 1:
        return f"the watcher is {_IN_A_SENTENCE.get(state, state)}"
    first = f"all {total}" if count == total else f"{count} of {total}"
    return ", ".join([f"{first} watchers {state}", *(f"{count} {state}" for state, count in others)])
