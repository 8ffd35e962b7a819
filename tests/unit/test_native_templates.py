"""Templates of the part in C: whatever they are made of, each is refused, or fills as it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bson
import pytest
from bson import DatetimeMS

from tests.support.native_part import NEEDS_C, topic_of
from tests.unit.change_events import recorded
from watcher.messages.envelopes.generic import generic
from watcher.messages.envelopes.layout import ALL_DIGITS
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.serializations.template import BARE, END_OF_TEXT, NOTHING, NUMBER, OUTERMOST, UNLESS_THERE, fast_path
from watcher.model import Message

pytestmark = NEEDS_C

RIGHT = ([b"", recorded()["insert"]], 1, 1, 7, 1, topic_of)
WRONG = [
    (0, None),
    (0, ["text"]),
    (0, [b""]),
    (1, "0"),
    (2, None),
    (3, "1"),
    (4, None),
    (5, None),
    (5, lambda *_: "topic"),
    (5, lambda *_: ("topic", 1)),
    (5, lambda *_: ("topic", "1", b"", b"")),
    (5, len),
]


@pytest.mark.parametrize("arguments", [(), (None,), RIGHT[:-1], *([*RIGHT[:at], wrong, *RIGHT[at + 1 :]] for at, wrong in WRONG)])
def test_wrong_arguments(arguments: Sequence[Any]) -> None:
    fill = fast_path(generic("dashboard-watcher"), DIALECTS["plain"].dumps, "plain", Message)
    assert fill is not None
    assert len(fill(*RIGHT)[0]) == 1
    with pytest.raises((TypeError, IndexError)):
        fill(*arguments)


PLACES = (
    (OUTERMOST, b"type", 2, False), (OUTERMOST, b"ns", 3, False), (OUTERMOST, b"at", 9, False), (OUTERMOST, b"any", 0, True),
    (1, b"db", 2, False),
)  # fmt: skip
ABOUT = (4, 4, 2)
TEXTS = ((b"", END_OF_TEXT, 0), (b"", END_OF_TEXT, 0))


def case(
    steps: Any, name: Any = "insert", condition: int = -1, messages: int = 1, headers: Any = (), header_bytes: Any = 0
) -> tuple[Any, ...]:
    return name, condition, messages, steps, headers, header_bytes


CASE = case(TEXTS)
CONTENTS = [
    ([], 0, ABOUT, ()),
    ((PLACES[4], *PLACES[:4]), 0, ABOUT, ()),  # a field of the event behind one of a document
    ((*PLACES, (7, b"db", 2, False)), 0, ABOUT, ()),
    ((*PLACES[:4], (3, b"db", 2, False)), 0, ABOUT, ()),  # within what need not be a document
    ((*PLACES[:3], (OUTERMOST, b"u", 3, True), (3, b"f", 2, False)), 0, ABOUT, ()),  # always there, within what may be absent
    (PLACES[:4] * 9, 0, ABOUT, ()),
    (PLACES, 5, ABOUT, ()),
    (PLACES, -1, ABOUT, ()),
    (PLACES, 1, ABOUT, ()),  # no string
    (PLACES, 0, (5, 4, 2), ()),
    (PLACES, 0, (4, -1, 2), ()),
    (PLACES, 0, (4, 3, 2), ()),  # not always there
    (PLACES, 0, (4, 4, 0), ()),  # no date
    (PLACES, 0, (4, 4), ()),
    (PLACES, 0, ABOUT, (CASE,) * 9),
]
CASES = [
    "insert",
    case([*TEXTS]),
    case(TEXTS, b"insert"),
    case(TEXTS, messages=0),
    case(()),
    case((*TEXTS, TEXTS[0])),
    case(((b"", 5, 0), *TEXTS)),
    case(((b"", -4, 0), *TEXTS)),
    case((("", 0, 0), *TEXTS)),
    case(TEXTS, condition=5),
    case(TEXTS, condition=-2),
    case(((b"", 0, 256), *TEXTS)),  # no such form
    case(((b"", 0, -1), *TEXTS)),
    case(((b"", NUMBER, 7), *TEXTS)),  # neither as many digits as there are, nor all
    case(TEXTS, headers=["a"]),
    case(TEXTS, headers=(b"a",)),
    case(TEXTS, headers=("a",)),  # without a text
    case((TEXTS[0],) * 11, headers=("a",) * 9),
    case(TEXTS, header_bytes=None),
]
RECORDS = [
    "record",
    (),
    (b"j", (b"", b""), b""),
    ("j", (b"", b"")),
    (b"j", [b"", b""]),
    (b"j", (b"",)),
    (b"j", (b"", "")),
]


@pytest.mark.parametrize(
    "parts",
    [
        (),
        *((*contents, ()) for contents in CONTENTS),
        *((PLACES, 0, ABOUT, (wrong,), ()) for wrong in CASES),
        *((PLACES, 0, ABOUT, (CASE,), (wrong,)) for wrong in RECORDS),
        (PLACES, 0, ABOUT, (CASE,), [(b"j", (b"", b""))]),
        (PLACES, 0, ABOUT, (CASE,), ((b"j", (b"", b"")),) * 17),
    ],
    ids=str,
)
def test_templates_that_are_none(parts: tuple[Any, ...]) -> None:
    from watcher.messages.serializations._bson_json import template

    assert template(Message, PLACES, 0, ABOUT, (CASE,), ((b"j", (b"", b"")),))
    with pytest.raises((TypeError, ValueError)):
        template(Message, *parts)


@pytest.mark.parametrize("message_type", [None, Message("", b"", b"", 0, ""), int, dict])
def test_a_message_is_a_kind_of_tuple(message_type: Any) -> None:
    from watcher.messages.serializations._bson_json import template

    with pytest.raises((TypeError, ValueError)):
        template(message_type, PLACES, 0, ABOUT, (CASE,), ())


AT_FIVE = {"ns": {"db": "d"}, "at": DatetimeMS(5)}


def test_a_template_of_any_fields() -> None:
    from watcher.messages.serializations._bson_json import fill, template

    bracket, comma, end = (b"[", 4, 0), (b",", 3, 0), (b"]", END_OF_TEXT, 0)
    digits, name, time = ((b"", number, form) for number, form in ((NUMBER, ALL_DIGITS), (4, BARE), (2, BARE)))
    headers = ("number", ("always", b"the same"), "name", "time")
    cases = (
        case((bracket, comma, end, (b"!", NOTHING, 0), TEXTS[0]), "a", 3),
        case((bracket, (b",-", 3, UNLESS_THERE), end, TEXTS[0]), "a"),
        case(((b"", 0, 0), TEXTS[0], (b"", NUMBER, 0), TEXTS[0]), "b", messages=2),
        case((bracket, end, bracket, end, digits, end, name, end, time, end), "c", headers=headers, header_bytes=100),
    )
    made = template(Message, PLACES, 0, ABOUT, cases, ())
    types = [("b", {}), ("a", {"any": [None]}), ("b", {}), ("a", {}), ("b", {}), ("c", {})]
    events = [bson.encode({**AT_FIVE, "type": type, **more}) for type, more in types]
    named = [("number", b"0000000000000000010]"), ("always", b"the same"), ("name", b"d]"), ("time", b"1970-01-01T00:00:00.005Z]")]
    expected = [
        Message("b d d", b'"b"', b"9", 5, "b", database="d"),
        Message("a d d", b'["d",[null]]', b"!", 5, "a", database="d"),
        Message("b d d", b'"b"', b"12", 5, "b", database="d"),
        Message("c d d", b'["d"]', b'["d"]', 5, "c", headers=named, header_bytes=100 + 20 + 2 + 25, database="d"),
    ]
    assert fill(made, events, 0, 5, 9, 100, topic_of) == (expected[:3], 4, False)  # the next one has an empty text
    assert fill(made, events, 3, 2, 9, 100, topic_of) == ([], 0, False)
    assert fill(made, events, 4, 1, 9, 100, topic_of) == (expected[:1], 1, False)
    assert fill(made, events, 5, 1, 10, 100, topic_of) == (expected[3:], 5, False)
    for limit, too_large in ((156, True), (157, False)):
        assert fill(made, events, 5, 1, 10, 100, lambda *_: ("t", limit, b"", b""))[2] is too_large  # noqa: B023 - called at once


@pytest.mark.parametrize(
    ("text", "bare"), [("plain", b"plain"), ("ü", "ü".encode()), ("", None), ('"', None), ("a\\", None), ("\0", None), (5, None)]
)
def test_a_text_by_itself(text: Any, bare: bytes | None) -> None:
    from watcher.messages.serializations._bson_json import fill, template

    made = template(Message, PLACES, 0, ABOUT, (case(((b"", 3, BARE), *TEXTS[:1], (b"!", NOTHING, 0), *TEXTS[:1])),), ())
    messages, *_ = fill(made, [bson.encode({**AT_FIVE, "type": "insert", "any": text})], 0, 1, 1, 1, topic_of)
    assert [message.key for message in messages] == ([] if bare is None else [bare])


@pytest.mark.parametrize("prefixes", [(b"", b"123456"), (b"123456", b""), (b"", None), ("", b""), (b"",)])
def test_prefixes_for_which_there_is_no_place(prefixes: tuple[Any, ...]) -> None:
    from watcher.messages.serializations._bson_json import fill, template

    made = template(Message, PLACES, 0, ABOUT, (case(((b"<....", END_OF_TEXT, 0),) * 2),), ())
    event = bson.encode({**AT_FIVE, "type": "insert"})
    [message] = fill(made, [event], 0, 1, 1, 1, lambda *_: ("t", 99, b"12345", b"1"))[0]
    assert (message.key, message.value) == (b"12345", b"1....")
    with pytest.raises((TypeError, ValueError)):
        fill(made, [event], 0, 1, 1, 1, lambda *_: ("t", 99, *prefixes))
