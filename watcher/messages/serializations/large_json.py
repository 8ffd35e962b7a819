"""Writes large BSON documents as JSON, piece by piece.

bson and orjson let no other thread run while they decode and write, and together they would take half a second for a document of
16 MB. Here each call gets a piece, and takes some milliseconds. The text is the same as if the document were written whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import orjson
from bson.errors import InvalidBSON

from watcher.bson_elements import (
    ARRAY,
    DOCUMENT,
    LENGTH,
    NULL,
    SCOPED_CODE,
    SEVERAL,
    STRING,
    SYMBOL,
    UNDEFINED,
    Element,
    document,
    element_at,
    elements,
    joined,
    length,
    name_of,
    runs,
)

PIECE = 256 * 1024
"""Bytes of BSON that are decoded and written at once."""

PIECE_OF_STRING = 64 * 1024
"""Characters of a string that are written at once; each may become six bytes."""

DEEPEST = 250
"""Levels of nesting that are written; orjson writes 254, MongoDB stores 180."""

SHARDS = 64
"""Number of sets that share the names. One set of millions takes too long to grow and to free."""

DBREF = ("$ref", "$id", "$db")
STRINGS, NOTHING = (STRING, SYMBOL), (NULL, UNDEFINED)


class LargeJson:
    """Treatment of a large document in a dialect; `decode` and `dumps` are the dialect's own, for the pieces."""

    def __init__(self, decode: Callable[[bytes], dict[str, Any]], dumps: Callable[[object], bytes]) -> None:
        self._decode = decode
        self._dumps = dumps

    def decode(self, data: bytes, opened: Collection[str] = ()) -> dict[str, Any]:
        """Decode the document to a dict. Large values are orjson.Fragments; those of the fields in `opened` are decoded like this.

        Errors: InvalidBSON.
        """
        fields: dict[str, Any] = {}
        for run in runs(data, 0, PIECE):
            if run.kind == SEVERAL:
                fields.update(self._small(data, run))
            elif run.kind == DOCUMENT and (name := name_of(data, run)) in opened:
                fields[name] = self.decode(data[run.value : run.end])
            else:
                parts: list[bytes] = []
                self._write(parts, data, run, 1)
                fields[name_of(data, run)] = orjson.Fragment(b"".join(parts))
        return fields

    def _write(self, parts: list[bytes], data: bytes, element: Element, depth: int) -> None:
        """Add the text of an element's value."""
        if depth > DEEPEST:
            raise InvalidBSON("a document is nested too deep")
        if element.kind == DOCUMENT:
            self._write_object(parts, data, element.value, depth, dbref=True)
        elif element.kind == ARRAY:
            self._write_array(parts, data, element.value, depth)
        elif element.kind == SCOPED_CODE:
            self._write_scoped_code(parts, data, element, depth)
        else:
            self._write_decoded(parts, self._value(element.kind, data[element.value : element.end]))

    def _write_object(self, parts: list[bytes], data: bytes, at: int, depth: int, *, dbref: bool) -> None:
        parts.append(b"{")
        separator = b""
        for field in self._fields(data, at, dbref=dbref):
            parts.append(separator)
            if isinstance(field, bytes):
                parts.append(field)
            else:
                parts.append(self._dumps(name_of(data, field)) + b":")
                self._write(parts, data, field, depth + 1)
            separator = b","
        parts.append(b"}")

    def _fields(self, data: bytes, at: int, *, dbref: bool) -> Iterable[bytes | Element]:
        """Return the fields as text, large ones as elements. Of several fields of one name the last counts, in the place of the
        first."""
        names = _Names()
        fields: list[bytes | Element] = []
        for run in runs(data, at, PIECE):
            if run.kind == SEVERAL:
                small = self._small(data, run)
                names.add(small)
                fields.append(self._dumps(small)[1:-1])
            else:
                names.add([name_of(data, run)])
                fields.append(run)
        as_they_are = not names.repeated and not (dbref and "$ref" in names)
        names.clear()
        return fields if as_they_are else self._rearranged(data, at, dbref=dbref)

    def _rearranged(self, data: bytes, at: int, *, dbref: bool) -> Iterator[bytes | Element]:
        """Yield the fields of an object with repeated names, or of a DBRef, which has an order of its own."""
        fields = {name_of(data, element): element.start for element in elements(data, at)}
        if dbref and _is_dbref(data, fields):
            fields = {name: fields[name] for name in DBREF if name in fields} | fields
            if "$db" in fields and data[fields["$db"]] in NOTHING:
                del fields["$db"]
        for run in joined((element_at(data, start, at) for start in fields.values()), PIECE):
            yield run if run.kind != SEVERAL else self._dumps(self._small(data, run))[1:-1]
        while fields:  # freeing a million at once takes too long
            fields.popitem()

    def _write_array(self, parts: list[bytes], data: bytes, at: int, depth: int) -> None:
        parts.append(b"[")
        separator = b""
        for run in runs(data, at, PIECE):
            parts.append(separator)
            if run.kind == SEVERAL:
                parts.append(self._dumps(self._value(ARRAY, document(data[run.start : run.end])))[1:-1])
            else:
                self._write(parts, data, run, depth + 1)
            separator = b","
        parts.append(b"]")

    def _write_scoped_code(self, parts: list[bytes], data: bytes, element: Element, depth: int) -> None:
        """Add the text of code with a scope. Its value is a length, the code as a string, and a document; the code is decoded with
        an empty document."""
        scope = element.value + 2 * LENGTH + length(data, element.value + LENGTH)
        code = data[element.value + LENGTH : scope] + document(b"")
        decoded = self._value(SCOPED_CODE, (LENGTH + len(code)).to_bytes(LENGTH, "little") + code)
        (code_name, text), (scope_name, _) = decoded.items()
        parts.append(b"{" + self._dumps(code_name) + b":")
        self._write_decoded(parts, text)
        parts.append(b"," + self._dumps(scope_name) + b":")
        self._write_object(parts, data, scope, depth + 1, dbref=False)
        parts.append(b"}")

    def _write_decoded(self, parts: list[bytes], value: Any) -> None:
        """Add a value that is no larger in Python than in BSON: a string, code, binary."""
        if isinstance(value, dict):
            self._write_code(parts, value)
        elif isinstance(value, str):
            pieces = range(0, len(value), PIECE_OF_STRING)
            parts += [b'"', *(self._dumps(value[at : at + PIECE_OF_STRING])[1:-1] for at in pieces), b'"']
        else:
            parts.append(self._dumps(value))

    def _write_code(self, parts: list[bytes], code: dict[str, str]) -> None:
        [(name, text)] = code.items()
        parts.append(b"{" + self._dumps(name) + b":")
        self._write_decoded(parts, text)
        parts.append(b"}")

    def _small(self, data: bytes, run: Element) -> dict[str, Any]:
        return self._decode(document(data[run.start : run.end]))

    def _value(self, kind: int, value: bytes) -> Any:
        return self._decode(document(bytes([kind, 0]) + value))[""]


class _Names:
    """The names of an object's fields."""

    def __init__(self) -> None:
        self._shards: list[set[str]] = [set() for _ in range(SHARDS)]
        self._added = 0

    @property
    def repeated(self) -> bool:
        """True if one of the names was added twice."""
        return self._added > sum(map(len, self._shards))

    def __contains__(self, name: str) -> bool:
        return name in self._shards[hash(name) % SHARDS]

    def add(self, names: Collection[str]) -> None:
        shards = self._shards
        for name in names:
            shards[hash(name) % SHARDS].add(name)
        self._added += len(names)

    def clear(self) -> None:
        for shard in self._shards:
            shard.clear()


def _is_dbref(data: bytes, fields: dict[str, int]) -> bool:
    """Return True if an object is a DBRef by pymongo's rule: by the types of its fields, whose places are given."""
    kinds = {name: data[fields[name]] for name in DBREF if name in fields}
    return kinds.get("$ref") in STRINGS and "$id" in kinds and kinds.get("$db", NULL) in (*STRINGS, *NOTHING)
