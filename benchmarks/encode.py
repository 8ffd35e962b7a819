"""Costs of encoding one change event, and of the alternatives: `python -m benchmarks.encode`.

All candidates are timed in turn, several rounds over, so that a busy machine disturbs them alike; the best round counts.
Python 3.11, pymongo 4.20, orjson 3.13, a machine of two cores that others used as well:

    Encoder.encode, plain, 725 bytes, in C                               2.4 µs
    Encoder.next_messages, generic, 725 bytes, each                      1.1 µs
    Encoder.next_messages, generic, extended, 725 bytes, each            1.1 µs
    Encoder.next_messages, generic, with headers, 725 bytes, each        1.3 µs
    Encoder.next_messages, generic, as CloudEvents, 725 bytes, each      1.4 µs
    Encoder.next_messages, document, 725 bytes, each                     1.1 µs
    Encoder.next_messages, debezium, 725 bytes, each                     1.6 µs
    Encoder.next_messages, mongodb, 725 bytes, each                      1.5 µs
    Encoder.next_messages, generic, in Avro, 725 bytes, each             1.5 µs
    Encoder.next_messages, document, in Avro, 725 bytes, each            1.2 µs
    Encoder.next_messages, debezium, in Avro, 725 bytes, each            1.7 µs
    Encoder.next_messages, mongodb, in Avro, 725 bytes, each             1.7 µs
    Encoder.encode, plain, 725 bytes, in Python                         16.6 µs
    Encoder.encode, extended, 725 bytes, in Python                      30.1 µs
    decode 453 bytes: dates as DatetimeMS, Code replaced (ours)          3.4 µs
    decode: Code left alone                                              3.0 µs
    decode: dates as naive datetime                                      3.1 µs
    decode: dates as aware datetime                                      4.7 µs
    decode and dumps (ours)                                              5.6 µs
    decode and dumps, dates by datetime.isoformat                        5.6 µs
    decode and dumps, OPT_PASSTHROUGH_SUBCLASS for Code                  5.5 µs
    json_util.dumps, relaxed                                            25.7 µs
    date: iso_time of a DatetimeMS                                       0.5 µs
    date: datetime.isoformat                                             1.1 µs

DatetimeMS is dearer to decode and cheaper to write than datetime, and needs no second way for dates outside the years 1 to 9999.
Passing subclasses through costs 0.3 µs for each int64 of a document, and this one has just one; replacing Code costs 0.4 µs always.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import bson
import orjson
from bson import Code, DatetimeMS, Int64, ObjectId, Timestamp, json_util
from bson.codec_options import CodecOptions, DatetimeConversion

from benchmarks.formats import all_formats
from watcher.messages.encoder import Encoder, MessageFormat
from watcher.messages.serializations.bson_json import DIALECTS

ROUNDS = 15
EVENTS = 3_000
BATCH = 1_000
LIMIT = 4_000_000
NOON = datetime(2024, 1, 1, 12, 0, 0, 123_000, UTC)
USER = {
    "_id": ObjectId(),
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "organization": ObjectId(),
    "roles": ["admin", "practitioner"],
    "address": {"street": "Main street 1", "city": "London", "zip": "12345", "geo": [51.5, -0.12]},
    "active": True,
    "visits": 42,
    "total": Int64(123_456_789_012),
    "createdAt": NOON,
    "updatedAt": NOON,
    "notes": "x" * 120,
}
DOCUMENT = bson.encode(USER)
EVENT = bson.encode(
    {
        "_id": {"_data": "8265F0C1" + "0" * 80},
        "operationType": "insert",
        "clusterTime": Timestamp(1_704_110_400, 1),
        "wallTime": NOON,
        "fullDocument": USER,
        "ns": {"db": "dashboard", "coll": "users"},
        "documentKey": {"_id": USER["_id"]},
    }
)
PLAIN = DIALECTS["plain"]
STRICT = {"debezium": "strict", "mongodb": "strict"}
"""The dialects of envelopes whose default is not the plain one."""


def encoder(*, native: bool = True, **form: Any) -> Encoder:
    """`form` are further properties of a MessageFormat. In Avro, each schema has an id of five bytes."""
    topics = {f"topic_{name}": f"database.{name}" for name in ("insert", "update", "delete", "control")}
    dialect = STRICT.get(form.get("envelope", ""), "plain")
    made = MessageFormat(**{"watcher": "dashboard-watcher", "database": "dashboard", "json_format": dialect, **topics, **form})
    return Encoder(made, native=native, prefixes_of=lambda *_: (bytes(5), bytes(5)))


def as_batch(made_by: Encoder, events: list[bytes]) -> None:
    done = 0
    while done < len(events):
        done += made_by.next_messages(events, done, len(events), done + 1, lambda _: LIMIT, LIMIT)[1]


def with_python_dates(codec: CodecOptions[dict[str, Any]], *, tz_aware: bool) -> CodecOptions[dict[str, Any]]:
    return codec.with_options(datetime_conversion=DatetimeConversion.DATETIME_AUTO, tz_aware=tz_aware)


def default_for_datetime(value: Any) -> Any:
    return value.isoformat("T", "milliseconds") + "Z" if type(value) is datetime else PLAIN.default(value)


def default_for_subclasses(value: Any) -> Any:
    kind = type(value)
    if kind is Int64:
        return int(value)
    return {"code": str(value)} if kind is Code else PLAIN.default(value)


def by_python_dates(codec: CodecOptions[dict[str, Any]]) -> bytes:
    return orjson.dumps(bson.decode(DOCUMENT, codec), default_for_datetime, orjson.OPT_PASSTHROUGH_DATETIME)


def by_passing_subclasses(codec: CodecOptions[dict[str, Any]]) -> bytes:
    return orjson.dumps(bson.decode(DOCUMENT, codec), default_for_subclasses, orjson.OPT_PASSTHROUGH_SUBCLASS)


def by_json_util() -> str:
    return json_util.dumps(bson.decode(DOCUMENT), json_options=json_util.RELAXED_JSON_OPTIONS)


def alternatives() -> dict[str, Callable[[], object]]:
    batch = [EVENT] * BATCH
    no_registry = PLAIN.codec.with_options(type_registry=None)
    return {
        f"Encoder.encode, plain, {len(EVENT)} bytes, in C": partial(encoder().encode, EVENT, 1),
        **{
            f"Encoder.next_messages, {name}, {len(EVENT)} bytes, each": partial(as_batch, encoder(**form), batch)
            for name, form in all_formats().items()
        },
        f"Encoder.encode, plain, {len(EVENT)} bytes, in Python": partial(encoder(native=False).encode, EVENT, 1),
        f"Encoder.encode, extended, {len(EVENT)} bytes, in Python": partial(
            encoder(native=False, json_format="extended").encode, EVENT, 1
        ),
        f"decode {len(DOCUMENT)} bytes: dates as DatetimeMS, Code replaced (ours)": partial(PLAIN.decode, DOCUMENT),
        "decode: Code left alone": partial(bson.decode, DOCUMENT, no_registry),
        "decode: dates as naive datetime": partial(bson.decode, DOCUMENT, with_python_dates(PLAIN.codec, tz_aware=False)),
        "decode: dates as aware datetime": partial(bson.decode, DOCUMENT, with_python_dates(PLAIN.codec, tz_aware=True)),
        "decode and dumps (ours)": lambda: PLAIN.dumps(PLAIN.decode(DOCUMENT)),
        "decode and dumps, dates by datetime.isoformat": partial(by_python_dates, with_python_dates(PLAIN.codec, tz_aware=False)),
        "decode and dumps, OPT_PASSTHROUGH_SUBCLASS for Code": partial(by_passing_subclasses, no_registry),
        "json_util.dumps, relaxed": by_json_util,
        "date: iso_time of a DatetimeMS": partial(PLAIN.default, DatetimeMS(1_704_110_400_123)),
        "date: datetime.isoformat": partial(default_for_datetime, NOON),
    }


def microseconds(candidates: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The best of all rounds for each candidate, in µs a call."""
    rounds = [{name: microseconds_of(name, call) for name, call in candidates.items()} for _ in range(ROUNDS)]
    return {name: min(times[name] for times in rounds) for name in candidates}


def microseconds_of(name: str, call: Callable[[], object]) -> float:
    """A batch is called less often, and counts for all of its events."""
    events = BATCH if name.endswith("each") else 1
    return timeit.timeit(call, number=EVENTS // events) / EVENTS * 1e6


def main() -> None:
    results = microseconds(alternatives())
    for name, result in results.items():
        print(f"{name:70}{result:8.2f} µs")


if __name__ == "__main__":
    main()
