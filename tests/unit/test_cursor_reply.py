"""A cursor's reply is taken apart as decoding it would."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64
from hypothesis import given
from hypothesis import strategies as st

from watcher.mongodb.cursor_reply import FIRST_EVENTS, REPLY_BYTES, BatchSize, is_backlog, take_apart

TOKEN = {"_data": "8200"}

VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(allow_nan=False),
    st.text("aä\0", max_size=5),
    st.datetimes().map(lambda moment: moment.replace(microsecond=0)),
    st.builds(bson.ObjectId),
    st.dictionaries(st.text("abcä", max_size=3), st.integers(0, 9), max_size=3),
    st.lists(st.integers(0, 9), max_size=3),
)
NAMES = st.text("abcnextBatch", min_size=1, max_size=9).filter(lambda name: name not in ("firstBatch", "nextBatch"))
OTHERS = st.dictionaries(NAMES, VALUES, max_size=4)
DOCUMENTS = st.lists(st.dictionaries(st.text("abc", max_size=3), VALUES, max_size=4), max_size=12)


@given(others=OTHERS, place=st.integers(0, 4), events=DOCUMENTS)
def test_the_batch_comes_raw_and_the_rest_decoded(others: dict[str, Any], place: int, events: list[Any]) -> None:
    fields = [*others.items()]
    cursor = dict([*fields[:place], ("nextBatch", events), *fields[place:]])
    assert take_apart(bson.encode(cursor)) == ([bson.encode(event) for event in events], bson.decode(bson.encode(others)))


@pytest.mark.parametrize("name", ["firstBatch", "nextBatch"])
def test_as_mongod_answers_and_as_a_router_does(name: str) -> None:
    batch, rest = [{"_id": TOKEN}], {"id": Int64(7), "ns": "dashboard.$cmd.aggregate", "postBatchResumeToken": TOKEN}
    for cursor in ({name: batch, **rest}, {**rest, name: batch}):
        assert take_apart(bson.encode(cursor)) == ([bson.encode(batch[0])], rest)


def test_a_reply_without_a_batch_is_none() -> None:
    with pytest.raises(ValueError, match="no batch"):
        take_apart(bson.encode({"id": Int64(7), "nextBatch": "text"}))


def test_large_events_are_asked_for_in_small_numbers_and_small_ones_in_large_again() -> None:
    size = BatchSize(1000)
    size.learn(3, 3 * (REPLY_BYTES // 10))
    assert size.limit == 10
    size.learn(1, 10 * REPLY_BYTES)
    assert size.limit == 1
    size.learn(0, 0)
    assert size.limit == 1
    size.learn(1, 100)
    assert size.limit == 1000


@pytest.mark.parametrize(("highest", "first"), [(2000, FIRST_EVENTS), (10, 10)])
def test_the_first_events_whose_size_nobody_knows_are_few(highest: int, first: int) -> None:
    assert BatchSize(highest).limit == first


def test_a_backlog_is_a_full_reply_that_is_not_too_large_to_read_on() -> None:
    assert is_backlog(3, 15, limit=3)
    assert not is_backlog(2, 10, limit=3)
    assert not is_backlog(1, 4 * REPLY_BYTES, limit=1)
