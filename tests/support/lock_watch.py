"""Measures how long a thread keeps the interpreter's lock from the others."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

TICK_SECONDS = 0.0005


class LockWatch:
    """`with LockWatch() as watch`: afterwards `watch.longest_s` is how long, at most, no other thread had its turn.

    It is processor time of the watched thread, in seconds: what else runs on the machine does not count.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._done = threading.Event()
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._ticker = threading.Thread(target=self._tick)

    @classmethod
    def best_of(cls, times: int, call: Callable[[], bytes], enough_s: float) -> float:
        """`longest_s` of the best of several calls, or of the first under `enough_s`: on a busy machine others can be late.

        The time that it takes to copy the result of the call once does not count. Nothing can be written in less, and where the
        machine has no pages at hand, 48 MB take a tenth of a second.
        """
        best = math.inf
        for _ in range(times):
            with cls() as watch:
                result = call()
            best = min(best, watch.longest_s - _copying_s(result))
            if best < enough_s:
                break
        return best

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._ticker.join()

    def _tick(self) -> None:
        last = time.clock_gettime(self._clock)
        while not self._done.is_set():
            time.sleep(TICK_SECONDS)
            now = time.clock_gettime(self._clock)
            self.longest_s = max(self.longest_s, now - last)
            last = now


def _copying_s(data: bytes) -> float:
    begin = time.thread_time()
    bytes(memoryview(data))
    return time.thread_time() - begin
