"""Looks again at documents in doubt, until each is settled or counted as faulty.

A look has three steps. Read the document. Wait until the watcher's position is past that moment. Read the new messages.

A doubt is settled when the document agrees with the newest message, or with any of the new ones. The latter is needed because a
document that changes all the time never equals the newest message.

A doubt counts as a fault when two looks in a row find the same document and the same message. Then nothing happened to it in
between, and no message about it is on its way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from bson.timestamp import Timestamp

from watcher.config import Settings
from watcher.config.mongodb.scope import ALL
from watcher.kafka.position_reader import PositionReader
from watcher.verification.difference import changes
from watcher.verification.keys import created_seconds, is_certain
from watcher.verification.result import DIFFS, DocumentExample, Verdict, VerificationResult
from watcher.verification.source import CHUNK, Document, SourceReader, id_value
from watcher.verification.state import ABSENT, FAILED, Doubt, Known, StateStore
from watcher.verification.topics import TopicReplay

POLL_SECONDS = 0.25
LOOKS = 20
"""Limit of looks. A document that has changed at each of them is left as unsettled."""

FOLLOWED = 10_000
"""Above this number of documents, only the newest state of each is remembered and not every new one. Most of so many settle at the
first look.
"""

Progress = Callable[[str, int, int], None]
"""Called with a phase, the amount done, and the total; 0 if that is not known."""


@dataclass(frozen=True, slots=True)
class Settling:
    """The doubts in `store`, and everything that is needed to settle them.

    `begin` is the time from which every change has its message in the topics, in seconds since 1970. `complete` says that no
    document is older. `since_given` says that some may be from before their collections were watched, even after a snapshot of all.
    `patience_s` is how long to wait, each time, for the watcher's position to pass a moment.
    """

    settings: Settings
    source: SourceReader
    topics: TopicReplay
    store: StateStore
    result: VerificationResult
    positions: PositionReader
    begin: float
    complete: bool
    since_given: bool
    patience_s: float
    progress: Progress

    def settle(self) -> None:
        """Look at the doubts until none is left, there were LOOKS looks, or the watcher does not catch up."""
        for look in range(1, LOOKS + 1):
            if not self.store.doubt_count() or self.result.stalled:
                break
            moment = self._look(look)
            self.result.stalled = not self._wait_until_past(moment)
            if not self.result.stalled:
                self.topics.read()
                self._judge()
        for doubts in self.store.doubts(CHUNK):
            for doubt in doubts:
                self.result.judge(Verdict.UNSETTLED, DocumentExample(doubt.collection, doubt.key))

    def _look(self, number: int) -> Timestamp:
        """Read the documents in doubt again. Return a time after that, by MongoDB's clock."""
        total = self.store.doubt_count()
        for done, doubts in enumerate(self.store.doubts(CHUNK)):
            self.progress(f"looking again ({number})", min(done * CHUNK, total), total)
            found = self._found(doubts)
            if total <= FOLLOWED:
                self.topics.follow((doubt.collection, doubt.key) for doubt in doubts)
            self.store.doubt(doubt._replace(looked=found[doubt.key].digest if doubt.key in found else ABSENT) for doubt in doubts)
        return self.source.time()

    def _found(self, doubts: list[Doubt]) -> dict[bytes, Document]:
        """Return the documents that exist. If only the topics know a document, the type of its `_id` has to be guessed."""
        collection = doubts[0].collection
        with_id = self.source.by_ids(collection, [doubt.id for doubt in doubts if doubt.id is not None])
        return with_id | self.source.by_keys(collection, [doubt.key for doubt in doubts if doubt.id is None])

    def _wait_until_past(self, moment: Timestamp) -> bool:
        """True if the watcher's position passes `moment` in time. Then the topics hold the messages up to it."""
        deadline = time.monotonic() + self.patience_s
        while time.monotonic() < deadline:
            position = self.positions.read().position
            if position and position.token and _moment(position.token) > moment:
                return True
            self.progress("waiting for the watcher", 0, 0)
            time.sleep(POLL_SECONDS)
        return False

    def _judge(self) -> None:
        for doubts in self.store.doubts(CHUNK):
            known = self.store.known(doubts[0].collection, [doubt.key for doubt in doubts])
            open_doubts = [doubt for doubt in doubts if not self._is_settled(doubt, known.get(doubt.key))]
            self.store.settle(doubts)
            self.store.doubt(
                doubt._replace(sequence=known[doubt.key].sequence if doubt.key in known else 0, digest=doubt.looked)
                for doubt in open_doubts
            )

    def _is_settled(self, doubt: Doubt, newest: Known | None) -> bool:
        """True if nothing more can be found out about the document; a fault has been counted then."""
        scope = self.settings.scope
        if not {doubt.collection, scope.name_of(scope.place_of(doubt.collection)[0], ALL)}.isdisjoint(self.result.reshaped):
            return True
        if doubt.looked == FAILED:
            is_missing = self.has_stopped_at(doubt.collection, doubt.id, newest)
            self.result.judge(Verdict.MISSING if is_missing else Verdict.PIPELINE_FAILS, self._failed_example(doubt))
            return True
        if (newest.digest if newest else ABSENT) == doubt.looked or self.topics.has_told(doubt.collection, doubt.key, doubt.looked):
            return True
        if (doubt.sequence, doubt.digest) != (newest.sequence if newest else 0, doubt.looked):
            if self._is_findable(doubt):
                return False
            self.result.judge(Verdict.UNSETTLED, DocumentExample(doubt.collection, doubt.key))
            return True
        verdict = self._verdict(doubt, newest)
        self.result.judge(verdict, self._example(verdict, doubt, newest))
        return True

    def _is_findable(self, doubt: Doubt) -> bool:
        return doubt.id is not None or is_certain(doubt.key, self.settings.json_format)

    def _verdict(self, doubt: Doubt, newest: Known | None) -> Verdict:
        if doubt.looked == ABSENT:
            return Verdict.EXTRA
        if newest is None:
            return self.without_message(doubt.collection, doubt.id)
        if newest.digest is None:
            return Verdict.NOT_COMPARABLE
        return Verdict.MISSING if newest.digest == ABSENT else Verdict.DIFFERENT

    def without_message(self, collection: str, id_: bytes | None) -> Verdict:
        """The verdict on a document that has no message at all."""
        if self.complete:
            return Verdict.MISSING
        created = created_seconds(id_value(id_)) if id_ else None
        renamed_in = self.topics.lineage.renamed_in_seconds(collection)
        if renamed_in is not None and (created is None or created <= renamed_in):
            return Verdict.RENAMED_IN
        if self.topics.is_copied(collection, with_all=not self.since_given):
            return Verdict.MISSING
        if created is None:
            return Verdict.UNDATED
        return Verdict.OLDER if created <= self.begin else Verdict.MISSING

    def has_stopped_at(self, collection: str, id_: bytes | None, newest: Known | None) -> bool:
        """True if a document on which `pipeline` fails should have a message: nothing has put its change aside."""
        stops = self.settings.on_transform_error == "fail"
        return stops and newest is None and self.without_message(collection, id_) is Verdict.MISSING

    def _failed_example(self, doubt: Doubt) -> DocumentExample:
        document = self._found([doubt]).get(doubt.key)
        return DocumentExample(doubt.collection, doubt.key, failure=document.failure if document else "")

    def _example(self, verdict: Verdict, doubt: Doubt, newest: Known | None) -> DocumentExample:
        if verdict is not Verdict.DIFFERENT or newest is None or self.result.verdicts[verdict] >= DIFFS:
            return DocumentExample(doubt.collection, doubt.key)
        document = self._found([doubt]).get(doubt.key)
        source = orjson.loads(document.text) if document and not document.failure else None
        return DocumentExample(doubt.collection, doubt.key, changes(source, self.topics.document(newest)))


def _moment(token: Mapping[str, str]) -> Timestamp:
    """Extract the cluster time from a resume token: bytes 1 to 8 of `_data`, big-endian."""
    return Timestamp(int(token["_data"][2:10], 16), int(token["_data"][10:18], 16))
