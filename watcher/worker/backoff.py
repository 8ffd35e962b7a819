"""Waiting time before the next attempt."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 5.0
"""Longest wait. Opening has time-outs of its own; waiting longer would only prolong an outage."""


class Backoff:
    """Doubling waits with jitter, so that fifty workers do not all come back at the same moment."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again with the shortest wait."""
        self._ceiling = FIRST_SECONDS

    def next_seconds(self) -> float:
        """Return the time to wait now, in seconds; it lies between half of the present ceiling and the ceiling."""
        ceiling, self._ceiling = self._ceiling, min(self._ceiling * 2, LONGEST_SECONDS)
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - not a secret
