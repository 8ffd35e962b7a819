"""The ways of writing one `_id`: as text, as JSON in any dialect and spacing, or within the whole key of its messages. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from watcher.decoding.debezium import document_key, is_key
from watcher.decoding.message import UnknownMessage, parsed, without_schema
from watcher.decoding.plain_json import plain


def same_id(text: str) -> Callable[[Any], bool]:
    """Return a function that is True for the `_id`s, in any dialect, that `text` may mean.

    What the plain dialect writes alike is the same here, such as an ObjectId and its digits; so are 5 and 5.0, as to MongoDB.
    """
    wanted = frozenset(_forms(text))
    return lambda id_: _form(id_) in wanted


def _forms(text: str) -> Iterator[str]:
    yield _form(text)
    if not text.strip():
        return
    try:
        value = parsed(text.encode(errors="replace"))
        yield _form(value)
        for id_ in _within(without_schema(value)):
            yield _form(id_)
    except (UnknownMessage, RecursionError):  # it was no JSON, or more deeply nested than any `_id`
        return


def _within(key: Any) -> Iterator[Any]:
    """Yield the `_id`s that a whole key may hold: the key itself, and what is in that of the envelopes `mongodb` and `debezium`."""
    yield key
    if isinstance(key, Mapping) and "_id" in key:
        yield key["_id"]
    if is_key(key) and key["id"]:
        yield document_key(key)["_id"]


def _form(id_: Any) -> str:
    """Write an `_id` as the plain dialect does, and whole numbers without a point."""
    return json.dumps(_whole(plain(id_)))


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _whole(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
