"""Deadlines instead of sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(attempt: Callable[[], T], timeout_s: float = 20.0, interval_s: float = 0.02) -> T:
    """Return what `attempt` gives, as soon as that is true; at the deadline AssertionError: the last one it raised, or ours."""
    deadline = time.monotonic() + timeout_s
    while True:
        failure: AssertionError
        try:
            if value := attempt():
                return value
            failure = AssertionError(f"not within {timeout_s} s; the last value was {value!r}")
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(interval_s)
