"""Keeping the view fresh: refreshes it, takes samples, notifies waiting tasks, and restarts hung workers."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from watcher.agent.view import hung
from watcher.agent.view.fleet_view import FleetView
from watcher.agent.view.history import STEP_SECONDS
from watcher.fleet.status_json import as_json

WATCHED_SECONDS = 0.5
"""The interval between two looks while somebody follows the view."""
UNWATCHED_SECONDS = 2.5
"""The interval while nobody follows it."""

RESTARTS_AT_ONCE = 4

_RESTLESS = {"uptimeSeconds", "updatedAt", "lastCommitAt", "rssBytes", "cpuSeconds", "headroomSeconds"}
"""Keys whose values change while nothing happens. A change of these alone is not announced."""

logger = logging.getLogger("watcher")


async def keep_fresh(view: FleetView) -> None:
    """Keep `view` fresh until cancelled. A failure is logged once, and the next look is tried as usual."""
    keeper = _Keeper(view)
    failing = False
    while True:
        try:
            await keeper.look()
            failing = False
        except Exception:
            if not failing:
                logger.exception("the agent could not look at the fleet")
            failing = True
        await asyncio.sleep(WATCHED_SECONDS)
        if not view.changes.has_listeners:
            await view.changes.listener(UNWATCHED_SECONDS - WATCHED_SECONDS)


class _Keeper:
    """The state kept between two looks. Looking has its own thread, so that it never waits for the agent's other work."""

    def __init__(self, view: FleetView) -> None:
        self._view = view
        self._next_sample = time.monotonic()
        self._told: list[dict[str, Any]] = []
        self._restarts: set[asyncio.Future[None]] = set()
        self._looking = ThreadPoolExecutor(1, "look")
        self._restarting = ThreadPoolExecutor(RESTARTS_AT_ONCE, "restart")

    async def look(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._looking, self._view.refresh)
        self._take_sample()
        self._tell()
        self._restart_hung()

    def _take_sample(self) -> None:
        now = time.monotonic()
        if now >= self._next_sample:
            self._view.history.add(time.time(), self._view.survey.rows)
            self._next_sample = max(self._next_sample + STEP_SECONDS, now)

    def _tell(self) -> None:
        if self._view.changes.has_listeners and (now := _noticeable(self._view)) != self._told:
            self._told = now
            self._view.changes.announce()

    def _restart_hung(self) -> None:
        """Restart hung workers in threads: stopping an unresponsive worker takes 20 s. A new round waits until all are done."""
        view = self._view
        self._restarts = {task for task in self._restarts if not task.done()}
        names = hung.overdue(view.survey, view.supervised.processes, view.agent.restart_hung_after_seconds)
        if names and not self._restarts and hung.can_write(view.deployment.run_dir):
            for name in names:
                work = partial(hung.restart, view.fleet, name, view.counts.hung_restarts)
                self._restarts.add(asyncio.get_running_loop().run_in_executor(self._restarting, work))


def _noticeable(view: FleetView) -> list[dict[str, Any]]:
    """The status of each watcher, without the values that change all the time."""
    watchers = as_json(view.survey)["watchers"]
    return [{key: value for key, value in watcher.items() if key not in _RESTLESS} for watcher in watchers]
