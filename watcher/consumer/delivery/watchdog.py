"""Notices a handler that does not return."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from watcher.consumer.change import Change

HUNG_EXIT_CODE = 70
LOOKS = 10
"""Number of looks within the time-out."""

_log = logging.getLogger("watcher.consumer")
_elsewhere: dict[int, Callable[[], str]] = {}


@contextmanager
def handled_elsewhere(where: Callable[[], str]) -> Iterator[None]:
    """Declare that in this block the thread only waits for a handler that runs elsewhere. `where` returns the stack there."""
    thread = threading.get_ident()
    _elsewhere[thread] = where
    try:
        yield
    finally:
        del _elsewhere[thread]


def stack_of_thread(thread: int) -> str:
    """The current stack of a thread as text; empty if there is no such thread."""
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)) if frame else ""


class Watchdog:
    """Watches the handlers from a thread. Between `begins` and `ends`, at most `timeout_s` seconds may pass."""

    def __init__(self, timeout_s: float | None, *, exits: bool) -> None:
        self._busy_with: Change | None = None
        self._calls = 0
        self._timeout_s = timeout_s
        self._exits = exits
        self._watched = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._watched = threading.get_ident()
        if self._timeout_s is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        if self._timeout_s is not None:
            self._thread.join()

    def begins(self, change: Change) -> None:
        """Note that a handler is called. This costs next to nothing, because the thread reads the clock."""
        self._calls += 1
        self._busy_with = change

    def ends(self) -> None:
        """Note that the handler has returned or raised."""
        self._busy_with = None

    def _watch(self) -> None:
        timeout_s = self._timeout_s or 0.0
        call, since = 0, time.monotonic()
        reported = 0
        while not self._stop.wait(timeout_s / LOOKS):
            change = self._busy_with
            if change is None or self._calls != call:
                call, since = self._calls, time.monotonic()
            elif reported != call and time.monotonic() - since >= timeout_s:
                reported = call
                self._report(change, time.monotonic() - since)

    def _report(self, change: Change, seconds: float) -> None:
        elsewhere = _elsewhere.get(self._watched)
        where = elsewhere() if elsewhere else stack_of_thread(self._watched)
        _log.error("the handler of %r has not returned for %.1f s; it is here:\n%s", change, seconds, where)
        if self._exits:
            logging.shutdown()
            os._exit(HUNG_EXIT_CODE)
