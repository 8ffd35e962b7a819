"""Gives memory back that a worker no longer needs. Only the GNU C library needs to be told; elsewhere nothing happens."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Numbers from malloc.h; see mallopt(3)."""

LARGE_BYTES = 4 * 1024 * 1024
"""Size from which a block gets a mapping of its own, which is unmapped when the block is freed. A reply in a backlog is smaller
(`cursor_reply.REPLY_BYTES`), because each page of a new mapping costs a page fault (docs/decisions.md)."""

KEPT_BYTES = 2 * LARGE_BYTES
"""Free bytes that the heap keeps at its end, for the next reply and its messages."""

ARENAS = 2
"""Number of heaps that the threads share. By default there are up to eight for each core, and each keeps what it once held."""


def give_memory_back() -> None:
    """Keep glibc from holding on to the space of large documents. By default it raises its threshold for mapped blocks to 32 MB."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        for option, value in ((M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_ARENA_MAX, ARENAS)):
            mallopt(option, value)


def trim() -> None:
    """Give back every free page of all heaps, even those between used ones (malloc_trim(3)). This takes a fraction of a
    millisecond."""
    if malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        malloc_trim(0)


class Rest:
    """Gives memory back once when the worker comes to rest, and again only after it has worked in between."""

    def __init__(self, trim: Callable[[], None] = trim) -> None:
        self._trim = trim
        self._seen: object = None
        self._trimmed: object = None

    def look(self, done: object) -> None:
        """Give memory back if the worker has come to rest. `done` stands for all work so far: the worker rests if it equals that of
        the last look."""
        if done == self._seen != self._trimmed:
            self._trim()
            self._trimmed = done
        self._seen = done
