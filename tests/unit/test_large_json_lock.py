"""Large documents, piece by piece: no call keeps other threads waiting.

These tests measure, and so are alone; other tests in this file would have to wait until the end of the run with them.
"""

from __future__ import annotations

import bson
import pytest
from bson import Code
from bson.raw_bson import RawBSONDocument

from tests.support.lock_watch import LockWatch
from tests.support.wide_documents import array, field, flat, insert, nested, string
from tests.unit.bson_types import raw_document
from tests.unit.change_events import encoder

pytestmark = pytest.mark.alone  # they measure how long the interpreter's lock is held

LONGEST_HOLD_S = 0.05

HOSTILE = {
    "many fields": lambda: flat(b"f%d" % number for number in range(400_000)),
    "a name twice among them": lambda: flat([*(b"f%d" % number for number in range(150_000)), b"f0"]),
    "empty documents": lambda: raw_document(field(4, b"a", array([b"\x03" + raw_document(b"")] * 500_000))),
    "escapes": lambda: raw_document(field(2, b"a", string(b"\1" * 8_000_000))),
    "a binary": lambda: raw_document(field(5, b"a", (15_000_000).to_bytes(4, "little") + b"\0" * 15_000_001)),
    "doubles": lambda: raw_document(field(4, b"a", array([b"\x01" + b"\x9a\x99\x99\x99\x99\x99\xb9\x3f"] * 700_000))),
    "deep": lambda: nested(flat(b"f%d" % number for number in range(200_000)), 90),
    "scoped code": lambda: raw_document(
        bson.encode({"c": Code("f", RawBSONDocument(flat(b"%06d" % number for number in range(300_000))))})[4:-1]
    ),
}


@pytest.mark.parametrize(("native", "json_format"), [(True, "plain"), (False, "plain"), (False, "extended")])
@pytest.mark.parametrize("name", HOSTILE)
def test_other_threads_have_their_turn(name: str, native: bool, json_format: str) -> None:
    event = insert(HOSTILE[name]())
    encode = encoder(native=native, json_format=json_format).encode
    assert LockWatch.best_of(5, lambda: encode(event, 1), LONGEST_HOLD_S) < LONGEST_HOLD_S
