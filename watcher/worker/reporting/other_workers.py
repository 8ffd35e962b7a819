"""Account of other workers that have, or have had, this one's watcher."""

from __future__ import annotations

import logging
import time

from watcher.model import Active

FOREIGNER_SECONDS = 60.0
"""Time for which a worker without a lease is named after it was seen: it may be gone by then, or come again and again."""

SAME_SETTINGS = "After a takeover the watcher would do something else: use the same conf.d on all hosts, then `watcherctl apply`."

logger = logging.getLogger("watcher")


class OtherWorkers:
    """The worker that is active while this one stands by, and one that writes without a lease."""

    def __init__(self) -> None:
        self.active: Active | None = None
        """Of a standby: the worker that has the watcher, as it last saw."""
        self._foreigner, self._foreigner_at = "", 0.0

    @property
    def foreigner(self) -> str | None:
        """The worker without a lease that has just been seen to write for a watcher that has one; None if there was none."""
        return self._foreigner if self._foreigner and time.monotonic() - self._foreigner_at < FOREIGNER_SECONDS else None

    def saw_active(self, active: Active | None) -> None:
        """Note who has the watcher, None if that is not known. Settings that differ go to the log once."""
        if active and active.differences and active.differences != (self.active.differences if self.active else ()):
            logger.warning("not the same settings on all hosts: %s", "; ".join(active.differences), extra={"hint": SAME_SETTINGS})
        if active and not active.since:
            self.saw_foreigner(str(active.owner))
        self.active = active

    def saw_foreigner(self, foreigner: str) -> None:
        """Note a worker without a lease."""
        self._foreigner, self._foreigner_at = foreigner, time.monotonic()
