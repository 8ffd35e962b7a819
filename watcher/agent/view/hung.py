"""Restarting hung workers, if the settings say so."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError
from watcher.fleet.files import why_unwritable
from watcher.fleet.status import WatcherState
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey

logger = logging.getLogger("watcher")


def overdue(survey: Survey, processes: Mapping[str, Process], after_seconds: float) -> list[str]:
    """The watchers whose worker runs under supervisord and has not written its status for `after_seconds`; 0 means none. No I/O."""
    if not after_seconds:
        return []
    patience = timedelta(seconds=after_seconds)
    return [
        row.name
        for row in survey.rows
        if row.state is WatcherState.HUNG and row.name in processes and row.report and survey.at - row.report.updated_at > patience
    ]


def can_write(run_dir: Path) -> bool:
    """True if a worker could write its status at all. On a full disk all workers look hung, but still stream."""
    reason = why_unwritable(run_dir) or ("" if os.access(run_dir, os.W_OK) else f"nothing can be written to {run_dir}")
    if reason:
        logger.warning("workers that look hung are not restarted: %s", reason)
    return not reason


def restart(fleet: Fleet, name: str, counts: Counter[str]) -> None:
    """Stop the worker, with SIGKILL if necessary, and start it again. The restart is logged and counted."""
    logger.warning("%s hangs and is restarted", name)
    try:
        fleet.stop([name])
        fleet.supervisord.start(name)
    except FleetError as error:
        logger.error("%s could not be restarted: %s", name, error)
    else:
        counts[name] += 1
        logger.info("%s has been restarted", name)
