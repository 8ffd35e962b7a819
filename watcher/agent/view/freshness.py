"""Keeping the view fresh: refreshes it, takes samples, notifies waiting tasks, and restarts hung workers."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from typing import Any

from watcher.agent.view import hung
from watcher.agent.view.fleet_view import FleetView
from watcher.agent.view.history import STEP_SECONDS
from watcher.status.report import PUBLIC, StatusReport

WATCHED_SECONDS = 0.75
"""The interval between two looks while somebody follows the view: a state is to show within a second, and looks cost most."""
UNWATCHED_SECONDS = 2.5
"""The interval while nobody follows it."""

RESTARTS_AT_ONCE = 4

CALM_SECONDS = 2.0
CALM_SECONDS_EACH = 1 / 15
"""The least time from an announcement to one of figures alone: so long, or so long for each watcher. In a busy fleet figures change
at each look, and to make the page takes longer the more watchers there are."""

_RESTLESS = {"updatedAt", "lastCommitAt", "rssBytes", "cpuSeconds", "headroomSeconds"}
"""Keys whose values change while nothing happens. A change of these alone is not announced."""

_FIGURES = attrgetter(*(each.name for each in StatusReport.fields() if each.key in PUBLIC and each.key not in _RESTLESS))

_STATE = attrgetter("name", "state", "enabled", "fault", "is_unapplied", "process")

_Told = tuple[list[Any], list[Any]]

logger = logging.getLogger("watcher")


def keep_fresh(view: FleetView, announce: Callable[[], None]) -> None:
    """Keep `view` fresh until its changes are closed, and call `announce` when there is something to be told.

    To be run in a thread of its own: so a look never waits for other work, and the event loop is woken only when there is
    something to be told. A failure is logged once, and the next look is tried as usual.
    """
    keeper = _Keeper(view, announce)
    failing = False
    while not view.changes.is_closed:
        try:
            keeper.look()
            failing = False
        except Exception:
            if not failing:
                logger.exception("the agent could not look at the fleet")
            failing = True
        view.changes.pause(WATCHED_SECONDS, UNWATCHED_SECONDS)


class _Keeper:
    """The state kept between two looks."""

    def __init__(self, view: FleetView, announce: Callable[[], None]) -> None:
        self._view = view
        self._announce = announce
        self._next_sample = time.monotonic()
        self._told: _Told = ([], [])
        self._told_at = -math.inf
        self._hung = hung.HungWorkers(view.deployment.run_dir)
        self._restarts: set[Future[None]] = set()
        self._restarting = ThreadPoolExecutor(RESTARTS_AT_ONCE, "restart")

    def look(self) -> None:
        self._view.refresh()
        self._take_sample()
        self._tell()
        self._restart_hung()

    def _take_sample(self) -> None:
        now = time.monotonic()
        if now >= self._next_sample:
            self._view.history.add(time.time(), self._view.survey.rows)
            self._next_sample = max(self._next_sample + STEP_SECONDS, now)

    def _tell(self) -> None:
        if not self._view.changes.followers or (now := _noticeable(self._view)) == self._told:
            return
        calm = max(CALM_SECONDS, CALM_SECONDS_EACH * len(self._view.survey.rows))
        if now[0] != self._told[0] or time.monotonic() - self._told_at >= calm:
            self._told, self._told_at = now, time.monotonic()
            self._announce()

    def _restart_hung(self) -> None:
        """Restart hung workers in threads: stopping an unresponsive worker takes 20 s. A new round waits until all are done."""
        view = self._view
        self._restarts = {task for task in self._restarts if not task.done()}
        names = hung.overdue(view.survey, view.supervised.processes, view.agent.restart_hung_after_seconds)
        due = self._hung.due(names, time.monotonic())
        for name in () if self._restarts else due:
            self._restarts.add(self._restarting.submit(hung.restart, view.fleet, name, view.counts.hung_restarts))


def _noticeable(view: FleetView) -> _Told:
    """The state of the fleet and of its watchers, as far as the page shows it, and their figures without those that change all the
    time: as they are, since they are only compared. The same error once more is a figure: each attempt in an outage ends so."""
    survey = view.survey
    fleet = (view.trouble, survey.trouble, survey.supervisord_pid)
    errors = [row.error for row in survey.rows]
    states = [fleet, *map(_STATE, survey.rows), *(error and (error.message, error.exit_code) for error in errors)]
    return states, [*(_FIGURES(row.report) if row.report else None for row in survey.rows), *errors]
