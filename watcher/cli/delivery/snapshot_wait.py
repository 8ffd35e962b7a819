"""The wait of `watcherctl snapshot start --wait` for the end of a snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from watcher.cli.phases import Progress
from watcher.config import Deployment, Settings
from watcher.errors import Outage, WatcherError
from watcher.live_commands.snapshots import look_at

if TYPE_CHECKING:
    from watcher.model import Snapshot

POLL_SECONDS, MOST_POLL_SECONDS = 0.5, 5.0
"""Interval of looks at a snapshot that is waited for, and to what it grows."""


def ended(deployment: Deployment, settings: Settings, snapshot_id: str, progress: Progress) -> Snapshot:
    """Wait until the watcher's snapshot has ended, and return it as it ended."""
    from watcher.cli.delivery.snapshot_view import progress_in_words

    interval = POLL_SECONDS
    while True:
        try:
            last = look_at(deployment, settings)[0].saved.newest_snapshot
        except Outage as error:
            progress(f"{settings.name}  {error}", 0, 0)
        else:
            if last is None or last.id != snapshot_id:
                raise WatcherError(f"{snapshot_id} has ended, and another one has taken its place.")
            if last.is_over:
                return last
            progress(f"{settings.name}  {last.state}  {progress_in_words(last)}", 0, 0)
        time.sleep(interval)
        interval = min(interval * 1.5, MOST_POLL_SECONDS)
