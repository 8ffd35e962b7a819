"""Fragments of large events, made as the server's documentation and its source describe them, are joined to the same events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.change_events import change, encoder
from watcher.mongodb.split_events import FragmentJoiner, can_split, event_token

START = {"_data": "8200000000"}


def token(number: int, fragment: int | None = None) -> dict[str, str]:
    """A fragment's token is the event's with the fragment's number after it, so that it sorts between that and the next event's."""
    return {"_data": f"82{number:08X}" + ("" if fragment is None else f"{fragment:02X}")}


def raw(event: dict[str, Any]) -> bytes:
    """As it comes out of a reply."""
    return bson.encode(event)


def event(number: int, **fields: Any) -> dict[str, Any]:
    whole = change("update", fullDocument={"n": number, "splitEvent": {"not": "ours"}}, **fields)
    return whole | {"_id": token(number), "updateDescription": {"updatedFields": {"n": number}}}


def split(whole: dict[str, Any], pieces: Sequence[int]) -> list[dict[str, Any]]:
    """`whole` in as many fragments as `pieces` has numbers: the top-level fields, smallest first, `_id` and number in each."""
    fields = sorted((item for item in whole.items() if item[0] != "_id"), key=lambda item: len(bson.encode(dict([item]))))
    cuts = sorted({0, len(fields), *(piece % len(fields) for piece in pieces)})
    parts = [fields[start:end] for start, end in pairwise(cuts)]
    number = int(whole["_id"]["_data"][2:10], 16)
    return [
        {"_id": token(number, at), "splitEvent": {"fragment": at, "of": len(parts)}, **dict(part)}
        for at, part in enumerate(parts, start=1)
    ]


@given(
    cuts=st.lists(st.none() | st.lists(st.integers(1, 50), max_size=4), max_size=8),
    sizes=st.lists(st.integers(0, 3), max_size=40),
)
def test_any_cutting_over_any_batches_joins_to_the_same_events(cuts: list[list[int] | None], sizes: list[int]) -> None:
    wanted = [event(number) for number in range(1, len(cuts) + 1)]
    arriving = [part for whole, cut in zip(wanted, cuts, strict=True) for part in ([whole] if cut is None else split(whole, cut))]
    joiner, joined, server, safe = FragmentJoiner(START), [], START, START
    for size in [*sizes, len(arriving)]:
        batch, arriving = arriving[:size], arriving[size:]
        for part in batch:
            server = part["_id"]
            safe = server if is_whole(part) else safe
        events, position = joiner.join([raw(part) for part in batch], server)
        assert position == safe  # never between two fragments
        joined += [bson.decode(whole) for whole in events]
    assert [body(whole) for whole in joined] == [body(bson.decode(bson.encode(whole))) for whole in wanted]
    assert [whole["_id"] for whole in joined] == sorted((whole["_id"] for whole in joined), key=lambda each: each["_data"])


def test_a_quiet_stream_moves_with_the_server() -> None:
    joiner = FragmentJoiner(START)
    assert joiner.join([], token(7)) == ([], token(7))
    first, second = split(event(8), [3])
    assert joiner.join([raw(first)], first["_id"]) == ([], token(7))
    assert joiner.join([], token(9)) == ([], token(7))
    assert joiner.join([raw(second)], token(10))[1] == token(10)


def test_a_document_of_ones_own_called_split_event_is_no_fragment() -> None:
    whole = event(1)
    assert FragmentJoiner(START).join([raw(whole)], token(1)) == ([bson.encode(whole)], token(1))


def test_the_message_of_a_joined_event_is_that_of_the_whole_one() -> None:
    whole = event(1)
    [joined], _ = FragmentJoiner(START).join([raw(part) for part in split(whole, [2, 5])], token(1, 3))
    expected = encoder().encode(bson.encode(whole | {"_id": token(1, 3)}), 1)
    assert encoder().encode(joined, 1) == expected


@pytest.mark.parametrize(
    ("version", "can"),
    [
        ((5, 0, 31, 0), False),
        ((6, 0, 8, 0), False),
        ((6, 0, 9, 0), True),
        ((6, 1, 0, 0), False),
        ((7, 0, 0, 0), True),
        ((8, 2, 1, 0), True),
    ],
)
def test_which_servers_can_split(version: tuple[int, ...], can: bool) -> None:
    assert can_split(version) == can


def is_whole(arriving: dict[str, Any]) -> bool:
    """Return True if the stream may go on after it: an event, or the last fragment of one."""
    number = arriving.get("splitEvent")
    return number is None or number["fragment"] == number["of"]


def body(whole: dict[str, Any]) -> dict[str, Any]:
    """All but the token, which is the last fragment's."""
    return {name: value for name, value in whole.items() if name != "_id"}


def test_the_token_of_an_event_is_read_without_decoding_the_rest() -> None:
    assert event_token(raw(event(7))) == token(7)
