"""Threads for slow work. Each kind of work has its own, so that no kind waits for another, and no other answer waits for any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from watcher.errors import WatcherError

T = TypeVar("T")


class Crowded(WatcherError):
    """Too many requests are already waiting for this kind of work."""


class Lane:
    """A few threads, with a limit on the work that may wait for them. To be used by one event loop at a time."""

    def __init__(self, name: str, threads: int, most_waiting: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + most_waiting
        self._inside = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread, and return its result or raise its error. Raises Crowded at once if too much work is waiting."""
        if self._inside >= self._most:
            raise Crowded("too many ask for this at the same time", hint="try again in some seconds")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._inside -= 1
