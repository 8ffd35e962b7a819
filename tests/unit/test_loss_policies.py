"""Policies for what breaks a change stream: a gap is told for a lost position, and a large event comes without its documents."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plain_settings import settings
from watcher.errors import PositionLost
from watcher.model import Batch, Owner, Position, ResumeToken
from watcher.mongodb.errors import EventTooLarge, StagesFailed
from watcher.mongodb.split_events import event_token
from watcher.stream.gaps import Gaps
from watcher.stream.loss_policies import TolerantStream

BATCH = 4
DOCUMENTS = ("fullDocument", "fullDocumentBeforeChange")


def token(number: int) -> ResumeToken:
    return {"_data": f"82{number:08X}04"}


def position(number: int | None) -> Position:
    return Position("dashboard", Owner("9f3c", "host-1", 4711), token=None if number is None else token(number))


def number_of(position: ResumeToken) -> int:
    return int(position["_data"][2:10], 16)


def event(number: int) -> bytes:
    fields = {"operationType": "update", "ns": {"db": "dashboard", "coll": "files"}, "documentKey": {"_id": number}}
    return bson.encode({"_id": token(number), **fields})


@dataclass
class Server:
    """A change stream over events 1 … n.

    Those in `large` are too large: with True even without their documents, with None always.
    """

    large: Mapping[int, bool | None] = field(default_factory=dict)
    count: int = 0
    lost: int = 0
    at: int = 0
    left_out: Sequence[str] = ()
    empty_replies: int = 0
    reply_holds: int = BATCH
    asked: list[int | None] = field(default_factory=list)
    opened: list[Sequence[str]] = field(default_factory=list)

    def open(self, position: ResumeToken | None, leave_out: Sequence[str] = ()) -> ResumeToken:
        if position and number_of(position) < self.lost:
            raise PositionLost("MongoDB cannot continue", hint="A larger oplog keeps more.")
        self.at = number_of(position) if position else self.lost
        self.left_out = leave_out
        self.opened.append(leave_out)
        return token(self.at)

    def open_now(self) -> ResumeToken:
        self.at, self.left_out = self.count, ()
        return token(self.at)

    def next(self, limit: int | None = None, wait_ms: int | None = None) -> Batch:
        if self.at < self.lost:
            raise PositionLost("MongoDB cannot continue", hint="A larger oplog keeps more.")
        if self.empty_replies:
            self.empty_replies -= 1
            return self.standing_at(token(self.at))
        wanted = range(self.at + 1, min(self.at + (limit or BATCH), self.count) + 1)
        self.asked.append(limit)
        if any(number in self.large and not self._fits(number) for number in wanted):
            raise EventTooLarge("A change event is too large", hint="Leave out what makes it large.")
        if len(wanted) > self.reply_holds:
            raise EventTooLarge("A reply is too large", hint="Leave out what makes it large.")
        self.at = max(wanted, default=self.at)
        return replace(self.standing_at(token(self.at)), events=[event(number) for number in wanted])

    def standing_at(self, position: ResumeToken) -> Batch:
        return Batch((), position, server_seconds=self.count)

    def oldest_oplog_seconds(self) -> int | None:
        return self.lost or None

    def _fits(self, number: int) -> bool:
        return self.large[number] is not None and ("updateDescription" in self.left_out or bool(self.left_out) > self.large[number])


def tolerant(
    server: Server, gaps: Gaps | None = None, lost_position: str = "", *, cut_off: bool = False, **values: Any
) -> TolerantStream:
    made_of = settings(**values)
    source: Any = server  # a stand-in for the stream
    return TolerantStream(source, made_of, gaps or Gaps(None), lost_position=lost_position, cut_off=cut_off)


def read(stream: TolerantStream, until: int) -> list[tuple[int, tuple[str, ...]]]:
    """The events up to number `until`, each with what it lacks."""
    events = []
    for _ in range(10 * until + 10):
        batch = stream.next()
        events += [(number_of(event_token(each)), tuple(batch.missing)) for each in batch.events]
        if number_of(batch.token) >= until:
            return events
    raise AssertionError(f"the stream stands still after {events}")


@given(large=st.dictionaries(st.integers(1, 30), st.booleans()), empty_replies=st.integers(0, 3))
def test_every_event_comes_once_and_in_order(large: dict[int, bool], empty_replies: int) -> None:
    server = Server(large, count=30, empty_replies=empty_replies)
    stream = tolerant(server, full_document_before_change="whenAvailable")
    stream.open(position(0))
    missing = {number: (*DOCUMENTS, "updateDescription") if even_without else DOCUMENTS for number, even_without in large.items()}
    assert read(stream, 30) == [(number, missing.get(number, ())) for number in range(1, 31)]


def test_after_a_large_event_batches_are_large_again() -> None:
    server = Server({3: False}, count=20)
    stream = tolerant(server)
    stream.open(position(0))
    read(stream, 3)
    assert len(stream.next().events) == BATCH
    assert server.left_out == ()


def test_an_empty_reply_without_documents_is_not_taken_for_the_event(caplog: pytest.LogCaptureFixture) -> None:
    server = Server({1: False}, count=2)
    stream = tolerant(server)
    stream.open(position(0))
    stream.next()
    server.empty_replies = 0
    caplog.set_level("WARNING", "watcher")
    assert read(stream, 2) == [(1, ("fullDocument",)), (2, ())]
    assert len(caplog.records) == 1


def test_a_large_event_ends_the_stream_under_the_policy_fail_after_those_before_it() -> None:
    stream = tolerant(Server({3: False}, count=4), on_large_event="fail")
    stream.open(position(0))
    assert read(stream, 2) == [(1, ()), (2, ())]
    with pytest.raises(EventTooLarge) as raised:
        stream.next()
    assert str(raised.value) == f'A change event is too large: the update of {{"_id": 3}} in files, event {token(3)["_data"]}'
    assert raised.value.hint == "Leave out what makes it large."


def test_an_event_of_which_not_even_the_rest_can_be_had_ends_the_stream() -> None:
    stream = tolerant(Server({2: None}, count=3))
    stream.open(position(0))
    assert read(stream, 1) == [(1, ())]
    with pytest.raises(EventTooLarge, match="even without fullDocument, updateDescription") as raised:
        stream.next()
    assert "exclude_collections" in raised.value.hint


def test_a_reply_that_is_too_large_as_a_whole_costs_no_event_anything() -> None:
    server = Server(count=20, reply_holds=1)
    stream = tolerant(server, batch_size=8)
    stream.open(position(0))
    assert read(stream, 8) == [(number, ()) for number in range(1, 9)]
    assert set(server.opened) == {()}
    server.reply_holds = BATCH
    assert len(stream.next().events) == BATCH


def test_a_large_event_that_has_become_small_meanwhile() -> None:
    """It's updated often, and looked up each time: by the second reading it may be small."""
    server = Server({2: False}, count=30)
    stream = tolerant(server, batch_size=5)
    stream.open(position(0))
    stream.next()
    server.large = {}
    assert read(stream, 30) == [(number, ()) for number in range(1, 31)]
    assert server.asked == [None, *[1] * 5, *[None] * 7]


def test_a_quiet_stream_is_read_one_by_one_only_up_to_its_end() -> None:
    """A snapshot waits while events are read one by one. After a connection was closed by chance, that was for 2,000 events."""
    server = Server(count=2)
    stream = tolerant(server, cut_off=True)
    stream.open(position(0))
    read(stream, 2)
    stream.next()
    assert stream.next().is_whole
    assert server.asked == [1, 1, 1, None]


def test_an_empty_reply_before_the_end_is_no_reason_to_read_more_at_once() -> None:
    server = Server({2: False}, count=2, empty_replies=2)
    stream = tolerant(server, cut_off=True)
    stream.open(position(0))
    assert [stream.next().is_whole for _ in range(3)] == [False] * 3
    assert server.asked == [1]


def test_a_position_lost_while_opening_becomes_a_gap() -> None:
    stream = tolerant(Server(count=20, lost=10), on_position_lost="restart")
    batch = stream.open(position(5))
    [notice] = batch.notices
    assert (notice.operation, notice.timestamp_ms) == ("gap", 20_000)
    assert notice.fields == {
        "reason": "MongoDB cannot continue",
        "from": "1970-01-01T00:00:05.000Z",
        "lastEventId": token(5)["_data"],
        "to": "1970-01-01T00:00:20.000Z",
    }
    assert batch.token == token(20)


def test_a_position_lost_in_mid_stream_becomes_a_gap_after_what_was_read() -> None:
    server = Server(count=8)
    stream = tolerant(server, on_position_lost="restart")
    stream.open(position(0))
    stream.next()
    server.lost, server.count = 30, 40
    [notice] = stream.next().notices
    assert (notice.fields["from"], notice.fields["to"]) == ("1970-01-01T00:00:04.000Z", "1970-01-01T00:00:40.000Z")


def test_a_position_lost_beside_a_large_event_becomes_a_gap_too() -> None:
    class Rolling(Server):
        def open(self, position: ResumeToken | None, leave_out: Sequence[str] = ()) -> ResumeToken:
            self.lost = 3 if self.opened else 0
            return super().open(position, leave_out)

    stream = tolerant(Rolling({2: False}, count=5), on_position_lost="restart")
    stream.open(position(0))
    assert [notice.operation for notice in stream.next().notices] == ["gap"]


def test_under_the_policy_fail_the_advice_names_both_times() -> None:
    stream = tolerant(Server(count=20, lost=10))
    with pytest.raises(PositionLost) as error:
        stream.open(position(5))
    times = "The position is of 1970-01-01T00:00:05.000Z. MongoDB's oldest change is of 1970-01-01T00:00:10.000Z."
    assert str(error.value) == f"MongoDB cannot continue. {times}"
    assert error.value.hint == "A larger oplog keeps more."


def test_a_second_gap_within_the_hour_is_a_fault() -> None:
    gaps = Gaps(None)
    gaps.count(1)
    with pytest.raises(PositionLost, match=r"within the hour\.$"):
        tolerant(Server(count=20, lost=10), gaps, on_position_lost="restart").open(position(5))


def test_a_gap_that_was_not_delivered_does_not_count() -> None:
    gaps = Gaps(None)
    for _ in range(2):
        assert tolerant(Server(count=20, lost=10), gaps, on_position_lost="restart").open(position(5)).notices


def test_a_saved_position_that_is_gone_becomes_a_gap_without_a_beginning() -> None:
    batch = tolerant(Server(count=20), lost_position="The topic is gone.", on_position_lost="restart").open(position(None))
    [notice] = batch.notices
    assert notice.fields == {"reason": "The topic is gone.", "to": "1970-01-01T00:00:20.000Z"}


def test_a_first_start_in_the_lost_past_is_no_gap() -> None:
    class Past(Server):
        def open(self, position: ResumeToken | None, leave_out: Sequence[str] = ()) -> ResumeToken:
            raise PositionLost("MongoDB cannot start there")

    with pytest.raises(PositionLost, match=r"^MongoDB cannot start there$"):
        tolerant(Past(), on_position_lost="restart").open(position(None))


class Failing(Server):
    """A server on which the user's stages fail on each event."""

    stages = True

    @contextlib.contextmanager
    def bare(self) -> Iterator[None]:
        self.stages = False
        yield
        self.stages = True

    @contextlib.contextmanager
    def only(self, token: ResumeToken) -> Iterator[None]:
        yield

    def next(self, limit: int | None = None, wait_ms: int | None = None) -> Batch:
        if self.stages:
            raise StagesFailed("The pipeline fails on a change event", hint="Write the stage so that it cannot fail.")
        batch = super().next(limit, wait_ms)
        return replace(batch, events=[control_event(number_of(event_token(each))) for each in batch.events])


def control_event(number: int) -> bytes:
    return bson.encode({"_id": token(number), "operationType": "dropDatabase", "ns": {"db": "dashboard"}})


@pytest.mark.parametrize("policy", ["fail", "dead-letter"])
def test_an_event_about_no_document_comes_as_it_is_where_the_pipeline_fails_on_it(policy: str) -> None:
    stream = tolerant(Failing(count=1), on_transform_error=policy)
    stream.open(position(0))
    batch = stream.next()
    assert (batch.events, batch.failed, batch.missing) == ([control_event(1)], False, ())
