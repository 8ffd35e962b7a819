"""That a worker gives memory back which it needs no longer. Only the GNU C library needs to be told; elsewhere nothing happens."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Numbers from malloc.h; see mallopt(3)."""

LARGE_BYTES = 4 * 1024 * 1024
"""Blocks from this size on are mapped by themselves, and unmapped when they are freed. A reply in a backlog is smaller
(batch_size.REPLY_BYTES): each page of a new mapping costs a fault, and 300,000 small events had 160,000 of them, 1.6 µs an
event."""

KEPT_BYTES = 2 * LARGE_BYTES
"""The heap keeps so much that is free at its end, for the next reply and its messages."""

ARENAS = 2
"""Heaps that threads share. By default there are up to eight for each core, and each keeps what it once held."""


def give_memory_back() -> None:
    """Keep glibc from holding on to the space of large documents: by itself it raises its threshold for mapped blocks to 32 MB."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        for option, value in ((M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_ARENA_MAX, ARENAS)):
            mallopt(option, value)


def trim() -> None:
    """Give back every free page of all heaps, also those between others (malloc_trim(3)); takes 0.1 ms."""
    if malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        malloc_trim(0)


class Rest:
    """Gives back what work has left behind, once the worker rests; then not before it has worked again."""

    def __init__(self, trim: Callable[[], None] = trim) -> None:
        self._trim = trim
        self._seen: object = None
        self._trimmed: object = None

    def look(self, done: object) -> None:
        """`done` stands for all that was done so far: the worker rests while that stays what it was at the last look."""
        if done == self._seen != self._trimmed:
            self._trim()
            self._trimmed = done
        self._seen = done
