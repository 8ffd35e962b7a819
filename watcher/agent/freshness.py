"""Keeping the view fresh: looks, takes samples, tells who waits, and restarts what hangs."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from watcher.agent import hung
from watcher.agent.history import STEP_SECONDS
from watcher.agent.view import FleetView
from watcher.fleet.status_json import as_json

WATCHED_SECONDS = 0.5
"""How often to look while somebody does, and"""
UNWATCHED_SECONDS = 2.5
"""while nobody does."""

RESTARTS_AT_ONCE = 4

_RESTLESS = {"uptimeSeconds", "updatedAt", "lastCommitAt", "rssBytes", "cpuSeconds", "headroomSeconds"}
"""What changes while nothing happens: nobody is told for these alone."""

logger = logging.getLogger("watcher")


async def keep_fresh(view: FleetView) -> None:
    """Until cancelled. What goes wrong is logged once, and tried again."""
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
    """What is remembered between two looks. Looking has a thread of its own, and waits for nothing else that the agent does."""

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
        """In threads: stopping a worker that does not listen takes 20 s. No second one before all of them are done."""
        view = self._view
        self._restarts = {task for task in self._restarts if not task.done()}
        names = hung.overdue(view.survey, view.supervised.processes, view.agent.restart_hung_after_seconds)
        if names and not self._restarts and hung.can_write(view.deployment.run_dir):
            for name in names:
                work = partial(hung.restart, view.fleet, name, view.counts.hung_restarts)
                self._restarts.add(asyncio.get_running_loop().run_in_executor(self._restarting, work))


def _noticeable(view: FleetView) -> list[dict[str, Any]]:
    """What somebody who looks would see, without what changes all the time."""
    watchers = as_json(view.survey)["watchers"]
    return [{key: value for key, value in watcher.items() if key not in _RESTLESS} for watcher in watchers]
