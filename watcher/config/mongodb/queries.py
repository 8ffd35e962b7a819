"""Checks for queries: a condition on a collection's documents, as MongoDB Extended JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from watcher.config.fault import Refused
from watcher.config.mongodb.collections import check_pattern, check_watchable, is_glob

_HINT = """for example '{"active": true}'; dates and ids as in MongoDB Extended JSON"""

UNFIT = {
    "$where": "it runs JavaScript for every document; $expr can say the same",
    "$text": "it needs an index of its own, and documents are read by their _id",
    "$near": "it brings an order of its own, and documents are read by their _id; $geoWithin does not",
    "$nearSphere": "it brings an order of its own, and documents are read by their _id; $geoWithin does not",
}
"""Operators that a snapshot's queries must not have, each with the reason."""


def check_filtered(name: str) -> str:
    """Return the name of a collection that has a query of its own. Raises `Refused` for a glob, and for MongoDB's collections."""
    if is_glob(name):
        raise Refused("a filter is for one collection, not for a glob", hint="write one for each collection")
    return check_watchable(check_pattern(name))


def check_query(value: object) -> str:
    """Return a query as JSON text. Only MongoDB can say whether it takes all of it: `watcherctl doctor` asks."""
    query = _read(value)
    for operator in operators(query):
        if operator in UNFIT:
            raise Refused(f"has {operator}, which a snapshot cannot use", hint=UNFIT[operator])
    return str(value)


def _read(value: object) -> dict[str, object]:
    if not isinstance(value, str):
        raise Refused("must be a query, as text", hint=_HINT)
    try:
        query = json.loads(value)
    except ValueError as error:
        raise Refused(f"is not JSON: {error}", hint=_HINT) from None
    if not isinstance(query, dict):
        raise Refused("must be a JSON object", hint=_HINT)
    return query


def operators(query: object) -> Iterator[str]:
    """Yield the keys in a query, on every level."""
    if isinstance(query, Mapping):
        yield from query
    inner = query.values() if isinstance(query, Mapping) else query if isinstance(query, list) else ()
    for part in inner:
        yield from operators(part)
