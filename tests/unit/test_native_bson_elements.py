"""The part in C takes documents apart and puts them together as Python does, or leaves them to it; whatever bytes it is given."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import bson
import pytest
from bson import Binary, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.errors import InvalidBSON
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.bson_types import raw_document
from tests.unit.random_bson import documents
from watcher import bson_elements
from watcher.bson_elements import native
from watcher.model import Snapshot
from watcher.mongodb import split_events
from watcher.mongodb.split_events import MARK, any_fragment
from watcher.snapshot import rows
from watcher.snapshot.rows import namespace_of, row_events

pytestmark = pytest.mark.skipif(native is None and not os.environ.get("CI"), reason="the part in C was not compiled")

UUID = Binary(bytes(16), 4)
COMMON_IDS: list[Any] = [
    1,
    -1,
    Int64(7),
    1.5,
    "",
    "ü" * 200,
    ObjectId(),
    DatetimeMS(5),
    Timestamp(1, 2),
    {"a": 1},
    {},
    b"",
    b"x",
    UUID,
]
RARE_IDS: list[Any] = [None, True, Decimal128("1"), MinKey(), MaxKey(), Regex("a", "i"), bson.Code("f()")]
NAMESPACE = namespace_of("d", "users")


@pytest.fixture
def without_c(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Undo it to have the part in C again."""
    for module in (bson_elements, split_events, rows):
        monkeypatch.setattr(module, "native", None)
    return monkeypatch


def same_rows(chunk: list[bytes], count: int, snapshot_id: str) -> bool:
    """Return True if the part in C makes the rows' events; then they are Python's."""
    assert native
    snapshot = Snapshot(snapshot_id, "insert", "ad hoc", "2024-01-01T12:00:00.000Z", documents=count)
    made = native.row_events(chunk, 1, b"", b"", b"", b"") is not None
    by_c = row_events(chunk, snapshot, NAMESPACE, (1_704_110_400, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "native", None)
        assert by_c == row_events(chunk, snapshot, NAMESPACE, (1_704_110_400, 3))
    return made


@given(st.lists(documents, max_size=20))
def test_an_array_of_documents(items: list[dict[str, Any]]) -> None:
    assert native
    data = bson.encode({"x": 1, "a": items})
    at = data.index(b"\4a\0") + 3
    assert native.documents(data, at) == [bson.encode(item) for item in items]


@pytest.mark.parametrize("items", [[1], [{}, None], [[]]])
def test_an_array_of_other_things_is_for_python(items: list[Any]) -> None:
    assert native
    assert native.documents(bson.encode({"a": items}), 7) is None


@settings(deadline=None, max_examples=500)
@given(st.binary(min_size=1, max_size=6), st.integers(0, 200), st.integers(-1, 210))
def test_damaged_arrays(noise: bytes, place: int, at: int) -> None:
    """C takes the same as Python, and nothing is read beyond the end."""
    data = bson.encode({"a": [{"n": number} for number in range(12)]})
    data = data[:place] + noise + data[place + len(noise) :]
    assert native
    for position in (7, at):
        if (found := native.documents(data, position)) is not None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(bson_elements, "native", None)
                assert found == bson_elements.documents(data, position)


EVENT = {"_id": {"_data": "82"}, "operationType": "insert"}
FRAGMENT = {"_id": {"_data": "82"}, "splitEvent": {"fragment": 1, "of": 2}}


@pytest.mark.parametrize(
    ("events", "any_is"),
    [([], False), ([EVENT], False), ([FRAGMENT], True), ([EVENT, EVENT, FRAGMENT, EVENT], True), ([{**EVENT, **FRAGMENT}], False)],
)
def test_fragments_among_events(events: list[Any], any_is: bool, without_c: pytest.MonkeyPatch) -> None:
    raw = [bson.encode(event) for event in events]
    assert any_fragment(raw) is any_is
    without_c.undo()
    assert any_fragment(raw) is any_is


@given(st.binary(max_size=60))
def test_fragments_among_any_bytes(noise: bytes) -> None:
    whole = bson.encode(FRAGMENT)
    assert native
    for data in (noise, noise + MARK, *(whole[:length] for length in range(len(whole)))):
        assert native.any_has([data], MARK) in (False, True)


@pytest.mark.parametrize("count", [0, 8, 9, 99_998, 10**12])
@pytest.mark.parametrize("snapshot_id", ["", "s1", "ü" * 40])
def test_rows_of_all_common_ids(count: int, snapshot_id: str) -> None:
    assert same_rows([bson.encode({"_id": id_, "n": 1}) for id_ in COMMON_IDS] * 3, count, snapshot_id)


ID_LATER = [raw_document(b"\x08" + name + b"\0\1" + bson.encode({"_id": 2})[4:-1]) for name in (b"n", b"_i", b"_id2")]


@pytest.mark.parametrize("document", [*(bson.encode({"_id": id_, "n": 1}) for id_ in RARE_IDS), *ID_LATER], ids=str)
def test_rows_for_python(document: bytes) -> None:
    assert not same_rows([bson.encode({"_id": 1}), document], 0, "s1")


@settings(deadline=None)
@given(documents, st.sampled_from(COMMON_IDS))
def test_rows_of_any_document(document: dict[str, Any], id_: Any) -> None:
    assert same_rows([bson.encode({"_id": id_, **document})], 41, "s1")


@settings(deadline=None, max_examples=500)
@given(st.sampled_from([*COMMON_IDS, *RARE_IDS]), st.binary(min_size=1, max_size=6), st.integers(0, 30))
def test_damaged_rows(id_: Any, noise: bytes, place: int) -> None:
    whole = bson.encode({"_id": id_})
    for data in (whole[:place], whole[:place] + noise + whole[place + len(noise) :], raw_document(noise)):
        with contextlib.suppress(InvalidBSON, IndexError):
            same_rows([data], 0, "s1")


@pytest.mark.parametrize("arguments", [(), (None, 0), (b"", None), (b"", 1, 2)])
def test_wrong_arguments(arguments: tuple[Any, ...]) -> None:
    assert native
    for function in (native.documents, native.any_has, native.row_events):
        with pytest.raises(TypeError):
            function(*arguments)
