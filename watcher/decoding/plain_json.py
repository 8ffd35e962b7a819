"""Rewrites MongoDB's Extended JSON, of any version, as the plain dialect has it, so that dialects can be compared. Pure.

Sources: https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/ and its version 1, which Java's drivers still write.
"""

from __future__ import annotations

import contextlib
import math
import re
import uuid
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from watcher.iso_time import iso_time

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z")
"""A time as the plain dialect has it, or with less or more digits, as MongoDB's `SimplifiedJson` has it."""

UUID_SUBTYPE = 4
UUID_BYTES = 16


def plain(value: Any) -> Any:
    """Return a JSON value as the plain dialect has it. What is plain already stays as it is, but for texts that are times."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, str) and (time := _INSTANT.fullmatch(value)):
        return f"{time[1]}.{(time[2] or '')[:3]:0<3}Z"
    if not isinstance(value, Mapping):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    name = next(iter(value), "")
    if name.startswith("$") and (rewrite := _REWRITTEN.get(name)):
        with contextlib.suppress(TypeError, ValueError, LookupError):  # a document with fields of such names
            return rewrite(value)
    return {name: plain(each) for name, each in value.items()}


def _date(value: Mapping[str, Any]) -> Any:
    time = value["$date"]
    if isinstance(time, Mapping):
        time = int(time["$numberLong"])
    return iso_time(time if isinstance(time, int) else round(datetime.fromisoformat(time).timestamp() * 1000))


def _double(value: Mapping[str, Any]) -> float | None:
    number = float(value["$numberDouble"])
    return number if math.isfinite(number) else None


def _binary(value: Mapping[str, Any]) -> str:
    inner = value["$binary"]
    text, subtype = (inner["base64"], inner["subType"]) if isinstance(inner, Mapping) else (inner, value["$type"])
    data = b64decode(text)
    is_uuid = int(subtype, 16) == UUID_SUBTYPE and len(data) == UUID_BYTES
    return str(uuid.UUID(bytes=data)) if is_uuid else str(text)


def _regex(value: Mapping[str, Any]) -> Any:
    if isinstance(inner := value.get("$regularExpression"), Mapping):
        return {"$regularExpression": dict(inner)}
    return {"$regularExpression": {"pattern": value["$regex"], "options": value["$options"]}}


def _code(value: Mapping[str, Any]) -> Any:
    scope = {"scope": plain(value["$scope"])} if "$scope" in value else {}
    return {"code": value["$code"], **scope}


def _pointer(value: Mapping[str, Any]) -> Any:
    pointer = value["$dbPointer"]
    return {"$ref": pointer["$ref"], "$id": plain(pointer["$id"])}


_REWRITTEN: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "$oid": lambda value: value["$oid"],
    "$date": _date,
    "$numberInt": lambda value: int(value["$numberInt"]),
    "$numberLong": lambda value: int(value["$numberLong"]),
    "$numberDouble": _double,
    "$numberDecimal": lambda value: value["$numberDecimal"],
    "$binary": _binary,
    "$uuid": lambda value: value["$uuid"],
    "$regularExpression": _regex,
    "$regex": _regex,
    "$code": _code,
    "$symbol": lambda value: value["$symbol"],
    "$undefined": lambda _: None,
    "$dbPointer": _pointer,
}
"""The types of which the plain dialect has a form of its own, by the first field of their Extended JSON."""
