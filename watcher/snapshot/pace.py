"""Size and time of a snapshot's chunks: small enough for the stream's latency, and no more documents a second than allowed.
Pure."""

from __future__ import annotations

FIRST_DOCUMENTS = 100
"""Documents of the first chunk, when neither their size nor the time for reading them is known."""

MOST_DOCUMENTS = 4000
MOST_BYTES = 2_500_000
"""Size of a chunk: of large documents a little less than a transaction, because a small one costs nearly as much. With 1.5 MB the
worker had 9 MiB less, and took a third more of its processor for each document of 16 kB."""

QUIET_SECONDS = 0.100
BUSY_SECONDS = 0.005
"""Time for reading a chunk: events that come meanwhile wait so long.

While none come, an idle server reads the largest chunk in less than half of the time. On a busy one each command waits for its
turn, and in less time only tiny chunks would be left. While events come, half as many documents again were copied with 10 ms,
beside 1,000 writes/s, but the events' median latency was twice as long."""

CREDIT_SECONDS = 0.25
"""Delay that the next chunks make up for, so that what is allowed is also reached though no chunk comes on time."""

GROWTH = 2.0
"""Factor by which a chunk may be larger than the one before."""

MOST_SEARCHED = 10_000
"""Documents among which a chunk is looked for, once a search among all has taken too long. MongoDB needs some 60 ms for them."""

QUICK_SECONDS = 1.0
"""Time for a chunk in which twice as many documents could be searched."""


class Pace:
    """Learns from each chunk how large the next should be."""

    def __init__(self, documents_per_second: int) -> None:
        """`documents_per_second` is the most that may be read, 0 for no limit."""
        self._rate = documents_per_second
        self._limit: float = FIRST_DOCUMENTS
        self._due = 0.0

    def limit(self) -> int:
        """Return the number of documents to read at once."""
        most = min(self._limit, max(1.0, self._rate / 10)) if self._rate else self._limit
        return max(1, int(most))

    def wait_seconds(self, now: float) -> float:
        """Return the time until the next chunk may be read, in seconds."""
        return max(0.0, self._due - now)

    def read(self, documents: int, size: int, seconds: float, now: float, *, busy: bool, seen: int = 0) -> None:
        """Learn from a chunk of `size` bytes whose reading took `seconds` and ended at `now`. `busy` means that events come
        meanwhile. More documents may have been `seen` for it than it has; these are read, and not copied."""
        if self._rate:
            credit = CREDIT_SECONDS if self._due else 0.0
            self._due = max(self._due, now - credit) + documents / self._rate
        if seen := max(seen, documents):
            target = BUSY_SECONDS if busy else QUIET_SECONDS
            by_time = seen * target / max(seconds, 1e-6)
            by_size = seen * MOST_BYTES / max(size, 1)
            self._limit = max(1.0, min(by_time, by_size, self._limit * GROWTH, MOST_DOCUMENTS))


class Reach:
    """Learns of a collection among how many documents MongoDB can look for a chunk in the time that it has.

    Documents are read in the order of `_id`, so no index helps a query: the first that matches may be behind millions. A search
    that takes too long has no result. So each further one ends after some documents, found or not, and the next begins there."""

    def __init__(self) -> None:
        self.documents: int | None = None
        """The number; None for all."""

    def too_long(self) -> None:
        """Note that the last search took too long."""
        self.documents = max(1, self.documents // 2) if self.documents else MOST_SEARCHED

    def read(self, seconds: float) -> None:
        """Note that the last search took so many seconds."""
        if self.documents and seconds < QUICK_SECONDS:
            self.documents = min(MOST_SEARCHED, 2 * self.documents)
