"""Connections that may be neither silent nor deaf for long, and never so many that no other gets in.

uvicorn bounds the pause between two requests alone: not how long the first one may take to come, how slowly its head or a body may
trickle in, or how long an answer may lie unread. Its `limit_concurrency` counts connections on which nothing is asked, and then
refuses whoever asks.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterable
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 300
FILES_PER_CONNECTION = 3
"""Only a third of the files that a process may open (usually 1,024) are for connections: others wait to be counted, and the agent
reads files."""

ACCEPTED_AT_ONCE = 100
"""asyncio accepts so many connections at a time, before any of them is counted."""

WAITING_CONNECTIONS = 1024
"""The kernel keeps so many until they are accepted (listen(2)); a client tries again only after a second when there are more."""

SILENT_SECONDS = 10.0
"""How long it may take until a request's head is there, after the connection or after the answer before."""

DEAF_SECONDS = 30.0
"""How long nothing of an answer may be taken."""

SWEEP_SECONDS = 1.0


class HttpConnection(H11Protocol):
    """One connection, and since when it has not got on: no request came, or nothing of the answer was taken."""

    idle_since = 0.0
    _unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take its place; where there is none left, the one that has not got on for longest gives up its own."""
        if len(self.connections) >= most_connections():
            min(_own(self.connections), key=HttpConnection.urgency).end()
        super().connection_made(transport)
        self.idle_since = time.monotonic()

    def on_response_complete(self) -> None:
        """Wait for the next request from now on."""
        self.idle_since = time.monotonic()
        super().on_response_complete()

    @property
    def is_asked(self) -> bool:
        """True while a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def urgency(self) -> tuple[bool, float]:
        """Orders connections: those on which nothing is asked come first, of each kind the one that has been so for longest."""
        return self.is_asked, self.idle_since

    def look(self, now: float) -> None:
        """Note whether it has got on since the last look, and end it if it has not for too long."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self.is_asked and (self._unsent == 0 or self._unsent < before):
            self.idle_since = now
        if now - self.idle_since > (DEAF_SECONDS if self.is_asked else SILENT_SECONDS):
            self.end()

    def end(self) -> None:
        """Break it off, and count it no more."""
        self.connections.discard(self)
        self.transport.abort()


def most_connections() -> int:
    """MOST_CONNECTIONS, or fewer where this process may open few files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files // FILES_PER_CONNECTION)


async def sweep(connections: Iterable[object]) -> None:
    """End the connections that do not get on, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = time.monotonic()
        for connection in [*_own(connections)]:
            connection.look(now)


def _own(connections: Iterable[object]) -> Iterable[HttpConnection]:
    """uvicorn's set, which holds nothing else."""
    return cast("Iterable[HttpConnection]", connections)
