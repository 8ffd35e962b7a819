"""Queries for documents by their `_id`s, of whatever types these are. Values go into the queries byte by byte: decoded and encoded
again, some would be others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument

from watcher.bson_elements import ARRAY, document, elements


def between(after: bytes | None, last: bytes | None = None, query: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Make the filter for documents after one `_id` and up to another that match `query`; None is no limit. `_id`s are BSON
    documents, `{_id: …}`.

    `$gt` alone finds only `_id`s of the same type; within `$expr` it finds all.
    """
    limits = [{"$expr": {than: ["$_id", _literal(id_)]}} for than, id_ in (("$gt", after), ("$lte", last)) if id_ is not None]
    conditions: list[Mapping[str, Any]] = [*([query] if query else []), *limits]
    return {"$and": conditions} if len(conditions) > 1 else next(iter(conditions), {})


def among(ids: Iterable[bytes]) -> Mapping[str, Any]:
    """Make the stage for the documents with these `_id`s."""
    array = document(b"".join(_renamed(id_, str(number).encode()) for number, id_ in enumerate(ids)))
    return {"$match": {"_id": RawBSONDocument(document(bytes([ARRAY]) + b"$in\0" + array))}}


def _literal(id_: bytes) -> RawBSONDocument:
    return RawBSONDocument(document(_renamed(id_, b"$literal")))


def _renamed(id_: bytes, name: bytes) -> bytes:
    """Give the element of an `_id` another name."""
    element = next(elements(id_, 0))
    return id_[element.start : element.start + 1] + name + b"\0" + id_[element.value : element.end]
