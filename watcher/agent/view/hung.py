"""Restarting hung workers, if the settings say so."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError
from watcher.fleet.files import why_unwritable
from watcher.fleet.status import WatcherState
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey

SEEN_SECONDS = 5.0
"""The time for which the agent must have seen a worker overdue. After a clock was set, or the host was suspended, every report is
old until its worker writes again, within 2 s."""

logger = logging.getLogger("watcher")


class HungWorkers:
    """Hung workers whose restart is due, as seen from one look to the next."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._seen_since: dict[str, float] = {}
        self._hindrance = ""

    def due(self, names: Iterable[str], now: float) -> list[str]:
        """Those of the overdue watchers `names` that are to be restarted, at `now` in seconds by the monotonic clock.

        None if no worker could write its status, which is logged once: on a full disk all of them look hung, but still stream.
        """
        self._seen_since = {name: self._seen_since.get(name, now) for name in names}
        due = [name for name, since in self._seen_since.items() if now - since >= SEEN_SECONDS]
        return due if due and self._can_write() else []

    def _can_write(self) -> bool:
        reason = why_unwritable(self._run_dir)
        if not reason and not os.access(self._run_dir, os.W_OK):
            reason = f"nothing can be written to {self._run_dir}"
        if reason and reason != self._hindrance:
            logger.warning("workers that look hung are not restarted: %s", reason)
        self._hindrance = reason
        return not reason


def overdue(survey: Survey, processes: Mapping[str, Process], after_seconds: float) -> list[str]:
    """The watchers whose worker runs under supervisord and has not written its status for `after_seconds`; 0 means none. No I/O."""
    if not after_seconds:
        return []
    patience = timedelta(seconds=after_seconds)
    return [
        row.name
        for row in survey.rows
        if row.state is WatcherState.HUNG
        and row.name in processes
        and row.report
        and abs(survey.at - row.report.updated_at) > patience
    ]


def restart(fleet: Fleet, name: str, counts: Counter[str]) -> None:
    """Stop the worker, with SIGKILL if necessary, and start it again. The restart is logged and counted."""
    logger.warning("%s hangs and is restarted", name)
    try:
        fleet.stop([name])
        fleet.supervisord.start(name)
    except FleetError as error:
        logger.error("%s could not be restarted: %s", name, error)
    except Exception:  # nobody asks the thread how it fared
        logger.exception("%s could not be restarted", name)
    else:
        counts[name] += 1
        logger.info("%s has been restarted", name)
