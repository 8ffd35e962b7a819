"""Texts that are made of a survey once for all who ask for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from watcher.fleet.survey import Survey

MOST_KEPT = 8
"""Limit on what is kept of one survey: each page has its own choice of rows, and 60 of them take 80 kB."""


class OncePerSurvey:
    """Texts made of the latest survey. All pages ask at the same moment, when something has changed, so one is made and the others
    wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._survey: Survey | None = None
        self._made: dict[Hashable, bytes] = {}

    def get(self, survey: Survey, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The text that `make` has made of `survey` for this key, or makes now. Those of another survey are forgotten."""
        with self._lock:
            if survey is not self._survey:
                self._survey, self._made = survey, {}
            if key not in self._made:
                if len(self._made) >= MOST_KEPT:
                    del self._made[next(iter(self._made))]
                self._made[key] = make()
            return self._made[key]
