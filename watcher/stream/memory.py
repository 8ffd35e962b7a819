"""That a worker gives memory back which it needs no longer. Only the GNU C library needs to be told; elsewhere nothing happens."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Numbers from malloc.h; see mallopt(3)."""

LARGE_BYTES = 2 * 1024 * 1024
"""Blocks from this size on are mapped by themselves, and unmapped when they are freed. A reply in a backlog is smaller: each page
of a new mapping costs a fault, and 300,000 small events had 160,000 of them, 1.6 µs an event."""

KEPT_BYTES = 2 * LARGE_BYTES
"""The heap keeps so much that is free at its end, for the next reply and its messages."""

ARENAS = 2
"""Heaps that threads share. By default there are up to eight for each core, and each keeps what it once held."""


def give_memory_back() -> None:
    """Keep glibc from holding on to the space of large documents: by itself it raises its threshold for mapped blocks to 32 MB."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in ((M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_ARENA_MAX, ARENAS)):
        mallopt(option, value)
