"""Notification of tasks that wait for a change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class ChangeSignal:
    """Wakes all waiting tasks, and counts the changes. To be used only in the event loop's thread."""

    def __init__(self) -> None:
        self.is_closed = False
        self.followers = 0
        self.count = 0
        self._waiting = 0
        self._event = asyncio.Event()
        self._arrived = asyncio.Event()

    @property
    def has_listeners(self) -> bool:
        """True if a task is waiting for a change."""
        return self._waiting > 0

    def announce(self) -> None:
        """Wake the waiting tasks: something has changed."""
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    def close(self) -> None:
        """Wake the waiting tasks for the last time: nothing will change any more."""
        self.is_closed = True
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
            await _at_most(self._event, seconds)
        finally:
            self._waiting -= 1

    async def listener(self, seconds: float) -> None:
        """Wait until a task begins to wait for a change, at most for `seconds`."""
        self._arrived.clear()
        await _at_most(self._arrived, seconds)


async def _at_most(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
