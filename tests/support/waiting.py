"""Deadlines instead of sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST_PAUSE_S = 0.5
PAUSES = 10
"""A pause is so many times as long as the attempt before it, but no longer than LONGEST_PAUSE_S."""


def eventually(attempt: Callable[[], T], timeout_s: float = 60.0, interval_s: float = 0.02) -> T:
    """Return what `attempt` gives, as soon as that is true; at the deadline AssertionError: the last one it raised, or ours.
    The default is no promise of the product's: a test of a promise names its own deadline.

    After an attempt that takes its time, such as asking Kafka, the pause is PAUSES times as long: the processor is for what is
    waited for.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        begun = time.monotonic()
        failure: AssertionError
        try:
            if value := attempt():
                return value
            failure = AssertionError(f"not within {timeout_s} s; the last value was {value!r}")
        except AssertionError as error:
            failure = error
        now = time.monotonic()
        if now > deadline:
            raise failure
        time.sleep(max(interval_s, min(PAUSES * (now - begun), LONGEST_PAUSE_S)))
