"""The `_id` as it is cut out of a document. test_large_json.py tests the rest."""

from __future__ import annotations

import bson
import pytest
from bson.errors import InvalidBSON
from hypothesis import given

from tests.unit.random_bson import documents, values
from watcher.bson_elements import id_document


@given(before=documents, id_=values, after=documents)
def test_the_id_is_cut_out_wherever_it_is(before: dict[str, object], id_: object, after: dict[str, object]) -> None:
    """The encoder puts an `_id` first; MongoDB does so too, but not in documents that are as old as its first releases."""
    front, back, middle = (bson.encode(part)[4:-1] for part in (before, after, {"_id": id_}))
    content = front + middle + back
    raw = (len(content) + 5).to_bytes(4, "little") + content + b"\0"
    assert id_document(raw) == bson.encode({"_id": id_})


@pytest.mark.parametrize("document", [{}, {"id": 1}, {"a": {"_id": 1}}, {"_id2": 1}])
def test_a_document_without_id_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(InvalidBSON):
        id_document(bson.encode(document))
