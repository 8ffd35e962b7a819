"""Limits on HTTP connections: on the time without progress, and on their number, so that a new connection is always accepted.

uvicorn limits only the pause between two requests. It does not limit the time until the first request, the time a request's head
or body may take to arrive, or the time an answer may stay unread. Its `limit_concurrency` also counts idle connections, and then
refuses new requests.
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
"""The open files reckoned for each connection, so that connections take only a third of what a process may open (usually 1,024).
Accepted connections that are not counted yet need files too, and the agent reads files."""

ACCEPTED_AT_ONCE = 100
"""The number of connections that asyncio accepts at a time, before any of them is counted."""

WAITING_CONNECTIONS = 1024
"""The number of connections that the kernel keeps until they are accepted (listen(2)). If there are more, a client tries again only
after a second."""

SILENT_SECONDS = 10.0
"""The time limit for a request's head to arrive, from the start of the connection or from the end of the previous answer."""

DEAF_SECONDS = 30.0
"""The longest time for which a client may read nothing of an answer."""


class HttpConnection(H11Protocol):
    """One connection, and the time since which it has made no progress: no request came, or nothing of the answer was read."""

    idle_since = 0.0
    _unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection. If there are too many, end the one that is most urgent to end."""
        if len(self.connections) >= most_connections():
            min(_own(self.connections), key=HttpConnection.urgency).end()
        super().connection_made(transport)
        self.idle_since = time.monotonic()

    def on_response_complete(self) -> None:
        """Measure the wait for the next request from now on."""
        self.idle_since = time.monotonic()
        super().on_response_complete()

    @property
    def is_asked(self) -> bool:
        """True while a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def urgency(self) -> tuple[bool, float]:
        """The key that orders connections for ending: idle ones first, and among equals the one without progress for longest."""
        return self.is_asked, self.idle_since

    def look(self, now: float) -> None:
        """Record any progress since the last look, and end the connection if it has made none for too long."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self.is_asked and (self._unsent == 0 or self._unsent < before):
            self.idle_since = now
        if now - self.idle_since > (DEAF_SECONDS if self.is_asked else SILENT_SECONDS):
            self.end()

    def end(self) -> None:
        """Abort the connection and stop counting it."""
        self.connections.discard(self)
        self.transport.abort()


def most_connections() -> int:
    """MOST_CONNECTIONS, or fewer if this process may open only a few files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files // FILES_PER_CONNECTION)


def sweep(connections: Iterable[object]) -> None:
    """End connections that have made no progress for too long. To be called every two seconds or so."""
    now = time.monotonic()
    for connection in [*_own(connections)]:
        connection.look(now)


def _own(connections: Iterable[object]) -> Iterable[HttpConnection]:
    """The connections in uvicorn's set, which holds nothing else."""
    return cast("Iterable[HttpConnection]", connections)
