"""How often a watcher has missed changes, and when last, over all its lives."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from watcher.log import iso

GAP_SECONDS = 3600.0
"""One gap an hour is a misfortune; more are a fault that somebody has to look at."""


class Gaps:
    """A gap counts when the message that tells of it is in Kafka: one whose delivery failed has not happened."""

    def __init__(self, last_at: Any) -> None:
        """`last_at`: what an earlier life left as its `last_at`; what is not a time counts as none."""
        self.last_at: str | None = last_at if isinstance(last_at, str) else None
        self.total = 0

    @property
    def allowed(self) -> bool:
        """Whether the stream may go on with another gap."""
        try:
            last = datetime.fromisoformat(self.last_at or "").timestamp()
        except ValueError:
            return True
        return not 0 <= time.time() - last < GAP_SECONDS

    def count(self, gaps: int) -> None:
        """So many have been delivered just now."""
        if gaps:
            self.total += gaps
            self.last_at = iso(time.time())
