"""Random BSON documents, and what the plain dialect must make of them."""

from __future__ import annotations

import math
from base64 import b64encode
from typing import Any
from uuid import UUID

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import strategies as st

from watcher.iso_time import LATEST_MS

INT32 = 2**31
INT64 = 2**63


def _is_plain_key(key: str) -> bool:
    """Neither one of Extended JSON's own, nor the one that pymongo puts first."""
    return not key.startswith("$") and key != "_id"


keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6).filter(_is_plain_key)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
c_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
object_ids = st.binary(min_size=12, max_size=12).map(ObjectId)
uint32 = st.integers(0, 2**32 - 1)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.just(math.nan),  # the one NaN whose bits JSON can give back
    st.integers(-INT32, INT32 - 1),
    st.integers(-INT64, -INT32 - 1).map(Int64),
    st.integers(INT32, INT64 - 1).map(Int64),
    texts,
    object_ids,
    st.integers(-INT64, INT64 - 1).map(DatetimeMS),
    st.integers(-(10**14), 10**14).map(DatetimeMS),
    st.binary(max_size=20),
    st.builds(Binary, st.binary(max_size=20), st.sampled_from([1, 3, 4, 5, 6, 7, 8, 9, 128, 255])),
    st.binary(min_size=16, max_size=16).map(lambda data: Binary(data, 4)),
    st.decimals(places=4, min_value=-(10**20), max_value=10**20).map(Decimal128),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1E+6000", "-0"]).map(Decimal128),
    st.builds(Timestamp, uint32, uint32),
    st.builds(Regex, c_texts, st.integers(0).map(lambda flags: flags & (2 | 4 | 8 | 16 | 32 | 64))),
    texts.map(Code),
    st.builds(DBRef, texts, object_ids, st.none() | texts),
    st.just(MinKey()),
    st.just(MaxKey()),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.builds(Code, texts, st.dictionaries(keys, inner, max_size=2)),
    ),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, max_size=8)


def reference(value: Any) -> Any:
    """Return what `json.loads` gives for `value` in the plain dialect: the documentation's table once more, written for reading."""
    match value:
        case Code():
            return {"code": str(value)} if value.scope is None else {"code": str(value), "scope": reference(value.scope)}
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: reference(inner) for key, inner in value.items()}
        case list():
            return [reference(inner) for inner in value]
        case DatetimeMS():
            return reference_date(int(value))
        case Binary() if value.subtype == 4 and len(value) == 16:
            return str(UUID(bytes=bytes(value)))
        case bytes():
            return b64encode(value).decode()
        case ObjectId() | Decimal128():
            return str(value)
        case DBRef():
            return {"$ref": value.collection, "$id": str(value.id)} | ({} if value.database is None else {"$db": value.database})
        case Regex():
            options = "".join(letter for letter, bit in zip("ilmsux", (2, 4, 8, 16, 32, 64), strict=True) if value.flags & bit)
            return {"$regularExpression": {"pattern": value.pattern, "options": options}}
        case Timestamp():
            return {"$timestamp": {"t": value.time, "i": value.inc}}
        case MinKey():
            return {"$minKey": 1}
        case MaxKey():
            return {"$maxKey": 1}
    raise AssertionError(f"no rule for {value!r}")


def reference_date(ms: int) -> str | None:
    """A date by Howard Hinnant's `civil_from_days`, which has nothing to do with Python's calendar."""
    if abs(ms) > LATEST_MS:
        return None
    days, rest = ms // 86_400_000 + 719_468, ms % 86_400_000
    era, day_of_era = days // 146_097, days % 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    written = f"{year:04d}" if 0 <= year <= 9999 else f"{'-' if year < 0 else '+'}{abs(year):06d}"
    clock = f"{rest // 3_600_000:02d}:{rest // 60_000 % 60:02d}:{rest // 1_000 % 60:02d}.{rest % 1_000:03d}"
    return f"{written}-{month:02d}-{day:02d}T{clock}Z"
