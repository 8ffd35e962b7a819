"""Notification of tasks that wait for a change."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class ChangeSignal:
    """Wakes all waiting tasks, and counts the changes. To be used only in the event loop's thread, unless it says otherwise."""

    def __init__(self) -> None:
        self.followers = 0
        self.count = 0
        self._waiting = 0
        self._event = asyncio.Event()
        self._arrived = threading.Event()
        self._closed = threading.Event()

    @property
    def is_closed(self) -> bool:
        """True if nothing will change any more. Any thread may ask."""
        return self._closed.is_set()

    @property
    def has_listeners(self) -> bool:
        """True if a task is waiting for a change. Any thread may ask."""
        return self._waiting > 0

    def announce(self) -> None:
        """Wake the waiting tasks: something has changed."""
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    def close(self) -> None:
        """Wake the waiting tasks for the last time: nothing will change any more."""
        self._closed.set()
        self._arrived.set()
        self.announce()

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """Count one more follower for the duration of the block."""
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1

    async def wait(self, seconds: float, seen: int) -> None:
        """Wait until something changes, at most for `seconds`; not at all if that has happened since `count` was `seen`."""
        if self.count != seen:
            return
        self._waiting += 1
        self._arrived.set()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._event.wait()
        finally:
            self._waiting -= 1

    def pause(self, watched_seconds: float, unwatched_seconds: float) -> None:
        """Block another thread for `watched_seconds`; then, while no task waits for a change, until it has been
        `unwatched_seconds`. Ends at once when this is closed."""
        if self._closed.wait(watched_seconds):
            return
        self._arrived.clear()
        if not self.has_listeners and not self.is_closed:
            self._arrived.wait(unwatched_seconds - watched_seconds)
