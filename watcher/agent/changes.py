"""Who waits for something to change is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class ChangeSignal:
    """Wakes all that wait. Only for the event loop's thread."""

    def __init__(self) -> None:
        self.is_closed = False
        self.followers = 0
        self._waiting = 0
        self._event = asyncio.Event()
        self._arrived = asyncio.Event()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody would notice."""
        return self._waiting > 0

    def announce(self) -> None:
        """Something has changed."""
        self._event.set()
        self._event = asyncio.Event()

    def close(self) -> None:
        """Nothing will change any more: whoever waits may go."""
        self.is_closed = True
        self.announce()

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """Count one more of those who follow, as long as it does."""
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1

    async def wait(self, seconds: float) -> None:
        """Until something changes, or for `seconds`."""
        self._waiting += 1
        self._arrived.set()
        try:
            await _at_most(self._event, seconds)
        finally:
            self._waiting -= 1

    async def listener(self, seconds: float) -> None:
        """Until somebody comes to wait, or for `seconds`."""
        self._arrived.clear()
        await _at_most(self._arrived, seconds)


async def _at_most(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
