"""How long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 5.0
"""Opening has time-outs of its own; waiting longer than this would only add to an outage."""


class Backoff:
    """Doubling waits with full jitter, so that fifty workers don't all come back at the same moment."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The next wait is the shortest again."""
        self._ceiling = FIRST_SECONDS

    def next_seconds(self) -> float:
        """How long to wait now, in seconds."""
        ceiling, self._ceiling = self._ceiling, min(self._ceiling * 2, LONGEST_SECONDS)
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - not a secret
