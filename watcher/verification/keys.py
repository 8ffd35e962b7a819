"""Knows how a watcher writes the `_id` of a document in the keys of its messages, and which `_id`s a key may mean. Pure."""

from __future__ import annotations

import contextlib
import math
import re
import uuid
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import bson
import orjson
from bson import json_util
from bson.binary import Binary, UuidRepresentation
from bson.codec_options import DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.json_util import JSONOptions
from bson.objectid import ObjectId

from watcher.bson_elements import id_document
from watcher.config import Settings
from watcher.messages.envelopes.debezium import RELAXED
from watcher.messages.serializations.bson_json import DIALECTS

OPTIONS = JSONOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
"""The only form that holds every BSON date."""

SUBTYPES = (*range(10), *range(128, 256))
"""The subtypes of binary data that MongoDB names, and the users' own: the plain dialect leaves them out."""

NOT_FINITE = (math.nan, math.inf, -math.inf)

_INSTANT = re.compile(r"(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z")
"""A date in the plain dialect."""

_ERA_YEARS, _ERA = 400, timedelta(days=146_097)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KeyForm:
    """The form of the `_id` in a watcher's keys: the same for all messages about a document, and for the document itself."""

    def __init__(self, json_format: str, envelope: str) -> None:
        """`json_format` is the dialect of the documents. Debezium's keys are in another one."""
        self.dialect = DIALECTS[RELAXED if envelope == "debezium" else json_format]
        self._is_other = self.dialect.name != json_format

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the form of a watcher's keys."""
        return cls(settings.json_format, settings.envelope)

    def of_document(self, raw: bytes) -> bytes:
        """Return the key of a document in BSON."""
        return self.dialect.dumps(self.dialect.decode(id_document(raw))["_id"])

    def of_message(self, id_: Any) -> bytes:
        """Return the key of an `_id` that stands in a message's document."""
        text = orjson.dumps(id_)
        if self._is_other and isinstance(id_, dict):
            with contextlib.suppress(Exception):  # json_util may raise anything where names of fields look like its own
                return self.of_document(bson.encode({"_id": json_util.loads(text, json_options=OPTIONS)}))
        return text


def possible_ids(key: bytes, json_format: str) -> list[Any]:
    """Return the `_id` values that may have produced this key. MongoDB itself compares numbers across their types."""
    if json_format != "plain":
        with contextlib.suppress(Exception):  # json_util may raise anything where names of fields look like its own
            return [json_util.loads(key, json_options=OPTIONS)]
        return []
    value = orjson.loads(key)
    if value is None:
        return [None, *NOT_FINITE]
    return _readings(value) if isinstance(value, str) else [value]


def is_certain(key: bytes, json_format: str) -> bool:
    """True if `possible_ids` surely includes the right value. Plain JSON leaves too much open within objects, and of a null, which
    also stands for a date beyond JavaScript's.
    """
    if json_format != "plain":
        return bool(possible_ids(key, json_format))
    return isinstance(orjson.loads(key), str | int | float)


def created_seconds(id_: object) -> int | None:
    """Creation time of an `_id`, in seconds since 1970 by the clock of the process that made it; None if the `_id` does not contain
    it.
    """
    return int(id_.generation_time.timestamp()) if isinstance(id_, ObjectId) else None


def _date(text: str) -> DatetimeMS:
    """Read a date of the plain dialect, whose years are more than those of `datetime`. The calendar repeats every 400 years."""
    if not (found := _INSTANT.fullmatch(text)):
        raise ValueError(f"no date: {text}")
    year, month, day, hour, minute, second, millisecond = map(int, found.groups())
    eras, in_era = divmod(year - 1, _ERA_YEARS)
    time = datetime(in_era + 1, month, day, hour, minute, second, millisecond * 1000, UTC)
    return DatetimeMS((time - _EPOCH + eras * _ERA) // timedelta(milliseconds=1))


_READINGS: tuple[Callable[[str], Any], ...] = (
    str,
    ObjectId,
    Decimal128,
    lambda text: Binary.from_uuid(uuid.UUID(text), UuidRepresentation.STANDARD),
    _date,
)
"""Types that the plain dialect writes as a string, besides binary data."""


def _readings(text: str) -> list[Any]:
    values = []
    for reading in _READINGS:
        with contextlib.suppress(Exception):  # each library has errors of its own for what it cannot read
            values.append(reading(text))
    with contextlib.suppress(ValueError):
        data = b64decode(text, validate=True)
        values += [Binary(data, subtype) for subtype in SUBTYPES]
    return values
