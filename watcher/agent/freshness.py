"""Keeping the view fresh: looks, takes samples, tells who waits, and restarts what hangs."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from watcher.agent import hung
from watcher.agent.history import STEP_SECONDS
from watcher.agent.view import FleetView
from watcher.fleet.status_json import as_json

WATCHED_SECONDS = 0.5
"""How often to look while somebody does, and"""
UNWATCHED_SECONDS = 2.0
"""while nobody does."""

_RESTLESS = {"uptimeSeconds", "updatedAt", "lastCommitAt", "rssBytes", "cpuSeconds", "headroomSeconds"}
"""What changes while nothing happens: nobody is told for these alone."""

logger = logging.getLogger("watcher")


async def keep_fresh(view: FleetView) -> None:
    """Until cancelled. What goes wrong is logged, and tried again."""
    restarts: set[asyncio.Task[None]] = set()
    next_sample = time.monotonic()
    shown: object = None
    while True:
        try:
            await asyncio.to_thread(view.refresh)
            if time.monotonic() >= next_sample:
                view.history.add(time.time(), view.survey.rows)
                next_sample += STEP_SECONDS
            if view.changes.has_listeners and (now := _told(view)) != shown:
                shown = now
                view.changes.announce()
            if not restarts:
                restarts.update(_restart_hung(view))
        except Exception:
            logger.exception("the agent could not look at the fleet")
        restarts = {task for task in restarts if not task.done()}
        await asyncio.sleep(WATCHED_SECONDS)
        if not view.changes.has_listeners:
            await view.changes.listener(UNWATCHED_SECONDS - WATCHED_SECONDS)


def _told(view: FleetView) -> list[dict[str, Any]]:
    """What somebody who looks would see, without what changes all the time."""
    watchers = as_json(view.survey)["watchers"]
    return [{key: value for key, value in watcher.items() if key not in _RESTLESS} for watcher in watchers]


def _restart_hung(view: FleetView) -> set[asyncio.Task[None]]:
    names = hung.overdue(view.survey, view.supervised.processes, view.agent.restart_hung_after_seconds)
    if not names or not hung.can_write(view.deployment.run_dir):
        return set()
    return {asyncio.create_task(asyncio.to_thread(hung.restart, view.fleet, name, view.counts.hung_restarts)) for name in names}
