"""Compares a watcher's collections with its topics, while both go on.

1. Read all messages into a store of the last state of each document.

2. Read the collections in the order of `_id`. A difference is only a doubt: the topics lag, and documents change.

3. Settle the doubts, as `rechecking.py` describes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from watcher.config import Settings
from watcher.kafka.position_reader import PositionReader
from watcher.model import Position
from watcher.verification.errors import NothingDelivered, Unjudgeable
from watcher.verification.filtered import unjudged
from watcher.verification.keys import is_certain
from watcher.verification.rechecking import POLL_SECONDS, Progress, Settling
from watcher.verification.result import DocumentExample, Verdict, VerificationResult
from watcher.verification.sequences import SequenceReport
from watcher.verification.source import CHUNK, Document, SourceReader
from watcher.verification.state import Doubt, Known, StateStore
from watcher.verification.topics import TopicReplay

ARRIVAL_SECONDS = 5.0
"""Time, in seconds, after which a message that is missing below a newer one counts as lost."""


class Verifier:
    """One verification of one watcher. `directory` is for the store of states; it can be removed afterwards."""

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        *,
        collections: Iterable[str] = (),
        databases: Iterable[str] = (),
        sample: int | None = None,
        complete: bool = False,
        since: datetime | None = None,
        patience_s: float = 60.0,
        progress: Progress = lambda _phase, _done, _total: None,
    ) -> None:
        """`collections` limits the verification to these, and `databases` to those; with several databases, in names and globs as
        snapshots are told them. `sample` is the number of documents to compare of each. `complete` says
        that no document is older than the topics.

        `since` is the time from which the present collections have been watched; an older document needs no message.

        `patience_s` is how long to wait, each time, for the watcher's position to pass a moment.
        """
        self._settings = settings
        self._scope = settings.scope
        self._chosen = tuple(collections)
        self._databases = tuple(databases)
        self._sample = sample
        self._complete = complete
        self._since = since.timestamp() if since else 0.0
        self._patience_s = patience_s
        self._progress = progress
        self._positions = PositionReader(settings, lambda _error: None)
        self._result = VerificationResult(settings.name, settings.database, sampled=sample is not None)
        self._result.unjudged = unjudged(settings)
        self._result.repeats_allowed = settings.delivery == "at-least-once"
        self._store = StateStore(directory)

    def run(self) -> VerificationResult:
        """Run the verification. Raises NothingDelivered, Unjudgeable, Outage, ReadError, NotPermitted, ConfigurationError."""
        if self._settings.transform:
            raise Unjudgeable(
                f"the messages of '{self._settings.name}' have gone through the transform {self._settings.transform}, so there is "
                "nothing to compare them with",
                hint="compare a watcher without it, with another kafka_client_id and other topics",
            )
        started = time.monotonic()
        try:
            with (
                SourceReader(self._settings) as self._source,
                TopicReplay(self._settings, self._store, self._result) as self._topics,
            ):
                self._verify()
        finally:
            self._store.close()
        self._result.seconds = time.monotonic() - started
        return self._result

    def _verify(self) -> None:
        position = self._position()
        now = float(self._source.time().time)
        self._topics.read(lambda done, total: self._progress("reading the topics", done, total))
        self._settling = self._settling_since(max(self._topics.begin_seconds() or now, self._since))
        for collection in self._collections():
            self._compare(collection)
            self._doubt_extras(collection)
        self._settling.settle()
        self._result.sequences = settled_sequences(self._topics, position.sequence)

    def _settling_since(self, begin: float) -> Settling:
        return Settling(
            self._settings, self._source, self._topics, self._store, self._result, self._positions,
            begin, self._complete, self._since > 0, self._patience_s, self._progress,
        )  # fmt: skip

    def _position(self) -> Position:
        position = self._positions.read().position if self._topics.have_position() else None
        if position is None:
            raise NothingDelivered(
                f"the watcher '{self._settings.name}' has no position in Kafka yet",
                hint=f"start it first: watcherctl start {self._settings.name}",
            )
        return position

    def _collections(self) -> list[str]:
        """The chosen ones of the collections that the source or the topics have. Errors: Unjudgeable if there are none."""
        found = sorted({*self._source.collections(), *self._store.collections()})
        chosen = [name for name in found if self._is_chosen(name)]
        if not chosen and (self._chosen or self._databases):
            option = "--database" if self._databases else "--collection"
            raise Unjudgeable("neither MongoDB nor the topics have a collection that was asked for", hint=f"leave {option} out")
        return chosen

    def _is_chosen(self, collection: str) -> bool:
        if not self._scope.is_shared:
            return not self._chosen or collection in self._chosen
        database, _ = self._scope.place_of(collection)
        of_database = not self._databases or any(fnmatchcase(database, pattern) for pattern in self._databases)
        return of_database and self._scope.chooses(self._chosen, collection)

    def _compare(self, collection: str) -> None:
        total = self._sample or self._source.count(collection)
        chunks = self._source.sample(collection, self._sample) if self._sample else self._source.chunks(collection)
        done = 0
        for chunk in chunks:
            self._compare_chunk(collection, chunk)
            done += len(chunk)
            self._progress(f"comparing {collection}", done, max(done, total))
        self._result.compared[collection] = done

    def _compare_chunk(self, collection: str, chunk: list[Document]) -> None:
        known = self._store.known(collection, [document.key for document in chunk])
        self._store.meet(collection, known)
        self._store.doubt(
            Doubt(collection, document.key, document.id)
            for document in chunk
            if self._is_doubtful(collection, document, known.get(document.key))
        )

    def _is_doubtful(self, collection: str, document: Document, known: Known | None) -> bool:
        if document.failure and not self._settling.has_stopped_at(collection, document.id, known):
            self._result.judge(Verdict.PIPELINE_FAILS, DocumentExample(collection, document.key, failure=document.failure))
            return False
        if document.failure:
            return True
        if known is not None and known.digest is not None:
            return known.digest != document.digest
        verdict = Verdict.NOT_COMPARABLE if known else self._settling.without_message(collection, document.id)
        if verdict not in (Verdict.NOT_COMPARABLE, Verdict.OLDER, Verdict.RENAMED_IN):
            return True
        self._result.judge(verdict, DocumentExample(collection, document.key))
        return False

    def _doubt_extras(self, collection: str) -> None:
        """Doubt the documents that the topics have and the source did not show. A sample shows only some, so in that case they are
        looked up.
        """
        if not self._sample:
            self._store.doubt_unmet(collection)
            return
        keys = [key for key in self._store.some_keys(collection, self._sample) if is_certain(key, self._settings.json_format)]
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            found = self._source.by_keys(collection, chunk)
            self._store.doubt(Doubt(collection, key, None) for key in chunk if key not in found)


def settled_sequences(topics: TopicReplay, counted: int) -> SequenceReport:
    """Report on the numbers, when the watcher has counted up to `counted`.

    Kafka ends a transaction partition by partition, so some of the newest messages can be read a moment before others. Missing ones
    are looked for until they arrive, or until ARRIVAL_SECONDS have passed.
    """
    last = max(counted, topics.newest)
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while (found := topics.sequences(last)).gaps and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        topics.read()
    return found.of_compacted_topics() if found.gaps and topics.are_compacted() else found
