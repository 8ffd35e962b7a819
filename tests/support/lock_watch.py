"""Measures how long a thread keeps the interpreter's lock from the others."""

from __future__ import annotations

import contextlib
import ctypes
import math
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

TICK_SECONDS = 0.0005

MMAP_MAX, TRIM_THRESHOLD = -4, -1
KEEPING = {MMAP_MAX: 0, TRIM_THRESHOLD: 1 << 30}
DEFAULTS = {MMAP_MAX: 65_536, TRIM_THRESHOLD: 128 * 1024}
"""Numbers from malloc.h, and values; see mallopt(3)."""


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
    def best_of(cls, times: int, call: Callable[[], object], enough_s: float) -> float:
        """`longest_s` of the best of several calls, or of the first under `enough_s`: on a busy machine others can be late.

        All but the first find the memory that they need in the process: what it costs to get it is the machine's, up to 0.3 s for
        48 MB.
        """
        best = math.inf
        with _memory_kept():
            for _ in range(times):
                with cls() as watch:
                    call()
                best = min(best, watch.longest_s)
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


@contextlib.contextmanager
def _memory_kept() -> Iterator[None]:
    """Give no freed memory back to the kernel in the block, if the C library is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
    for option, value in KEEPING.items():
        mallopt(option, value)
    try:
        yield
    finally:
        for option, value in DEFAULTS.items():
            mallopt(option, value)
