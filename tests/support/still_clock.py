"""A clock that tests move."""

from __future__ import annotations


class StillClock:
    """Stands still until it is moved; it is called as `time.time` or `time.monotonic` are."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
