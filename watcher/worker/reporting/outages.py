"""Account of the outage that lasts, and of the last error. Each outage goes to the log once."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from watcher.errors import Outage, WatcherError
from watcher.status.report import LastError

logger = logging.getLogger("watcher")


class Outages:
    """Outages of a worker, one after the other, and the error that ends it."""

    def __init__(self) -> None:
        self.last_error: LastError | None = None
        self._since: float | None = None

    def lost(self, error: Outage, since_seconds: float = 0.0) -> None:
        """Note an outage that began so many seconds ago. It is logged, unless it goes on and is still of the same component."""
        known = self._since is not None and self.last_error is not None and self.last_error.component == error.component
        logger.log(
            logging.DEBUG if known else logging.WARNING, str(error), extra={"component": error.component, "hint": error.hint}
        )
        self._since = self._since or time.monotonic() - since_seconds
        self._remember(error, error.component, None)

    def hung(self, message: str, hint: str) -> None:
        """Note that the user's transform hung, which has ended the last process. The guard of the transform logs it."""
        self.last_error = LastError(at=datetime.fromtimestamp(time.time(), UTC), message=message, hint=hint, component="worker")

    def over(self) -> dict[str, float]:
        """Note that nothing is away any more; returns the time for which something was, for the log, empty if nothing was."""
        since, self._since = self._since, None
        return {} if since is None else {"downtimeSeconds": round(time.monotonic() - since, 1)}

    def failed(self, error: BaseException) -> None:
        """Note the error that ends the worker."""
        self._remember(error, "worker", int(error.exit_code) if isinstance(error, WatcherError) else 1)

    def _remember(self, error: BaseException, component: str, exit_code: int | None) -> None:
        hint = error.hint if isinstance(error, WatcherError) else "This is a bug; the traceback is in the log."
        message = str(error) if isinstance(error, WatcherError) else f"{type(error).__name__}: {error}"
        now = datetime.fromtimestamp(time.time(), UTC)
        self.last_error = LastError(at=now, message=message, hint=hint, component=component, exit_code=exit_code)
