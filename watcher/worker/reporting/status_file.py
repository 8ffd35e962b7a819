"""Writes `run/<name>.json` and `run/<name>.prom` atomically every two seconds.

Everything that shows a fleet reads the JSON file, which is also written at each change of state and soon after messages. Prometheus
gets the other file from the agent.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from watcher.private import readable_mode, refusal, replace_file
from watcher.status.report import StatusReport, WorkerState
from watcher.worker.memory import Rest
from watcher.worker.reporting.metrics import metrics
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_report import status_report
from watcher.worker.systemd import Notifier

WRITE_SECONDS = 2.0
LIVE_SECONDS = 0.25
"""Interval at which the file is written while messages are delivered, so that onlookers see them within a second."""

LOG_SECONDS = 30.0

STATUS_LINE = (
    "mongoConnected",
    "kafkaConnected",
    "bufferSize",
    "database",
    "lagSeconds",
    "headroomSeconds",
    "eventsPerSecond",
    "sequence",
)

logger = logging.getLogger("watcher")


class StatusFile:
    """Writes a worker's progress from a thread of its own, which goes on while the worker waits for a server."""

    def __init__(self, path: Path, metrics_path: Path, waited_at: Callable[[], float] = lambda: float("-inf")) -> None:
        """`path` is the JSON file. `waited_at` is for systemd's watchdog, see `Notifier`."""
        self._path = path
        self._metrics_path = metrics_path
        self._changed = threading.Event()
        self._news = threading.Event()
        """Set with `_changed`, and by messages."""
        self._ended = threading.Event()
        self._complained = False
        self._notifier = Notifier(waited_at=waited_at)
        self._metrics_due = 0.0
        self._rest = Rest()

    def previous(self) -> StatusReport | None:
        """Return what the previous worker last wrote; None if it cannot be read."""
        try:
            return StatusReport.parse(self._path.read_bytes())
        except PermissionError:
            logger.warning("the last status is not known: %s: %s", *refusal(self._path))
        except OSError:  # there is none
            pass
        return None

    def changed(self) -> None:
        """Write at once."""
        self._changed.set()
        self._news.set()

    def delivered(self) -> None:
        """Write within LIVE_SECONDS."""
        self._news.set()

    @contextlib.contextmanager
    def kept(self, progress: Progress) -> Iterator[None]:
        """Keep the files up to date, log the status line every 30 s, and write a last time at the end."""
        thread = threading.Thread(target=self._keep, args=(progress,), name="status", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self.changed()
            thread.join()
            self._write(progress)

    def _keep(self, progress: Progress) -> None:
        next_line = time.monotonic() + LOG_SECONDS
        while not self._ended.is_set():
            self._write(progress)
            if time.monotonic() >= next_line:
                log_status(progress)
                next_line += LOG_SECONDS
            self._wait()
            self._rest.look((progress.state, progress.sequence))

    def _wait(self) -> None:
        """Wait WRITE_SECONDS. A change ends that at once; a delivery does so too, but not within LIVE_SECONDS of its beginning."""
        begun = time.monotonic()
        if self._news.wait(WRITE_SECONDS):
            self._changed.wait(begun + LIVE_SECONDS - time.monotonic())
        self._changed.clear()
        self._news.clear()

    def _write(self, progress: Progress) -> None:
        report = status_report(progress)
        self._notifier.tell(report)
        try:
            replace_file(self._path, report.content(), readable_mode(self._path.parent))
            if self._ended.is_set() or time.monotonic() >= self._metrics_due:
                replace_file(self._metrics_path, metrics(progress).encode(), readable_mode(self._path.parent))
                self._metrics_due = time.monotonic() + WRITE_SECONDS
            self._complained = False
        except OSError as error:  # a full disk does not stop the stream
            if not self._complained:
                logger.warning("the status file cannot be written: %s", error)
            self._complained = True


def log_status(progress: Progress) -> None:
    """Log the guide's status line."""
    report = status_report(progress)
    running, told = report.state == WorkerState.STREAMING, report.as_json()
    logger.info("status", extra={"isRunning": running, **{key: told[key] for key in STATUS_LINE}})
