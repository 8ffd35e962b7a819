"""Checks for queries: a condition on a collection's documents, written as a table or as MongoDB Extended JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from watcher.config.fault import Refused

_HINT = """for example '{"active": true}', or a table; MongoDB Extended JSON for dates and ids"""


def check_query(value: object) -> str:
    """Return a query as JSON text. MongoDB itself says whether it takes it, when the query is used for the first time."""
    if isinstance(value, Mapping):
        return _as_text(value)
    if not isinstance(value, str):
        raise Refused("must be a query", hint=_HINT)
    try:
        query = json.loads(value)
    except ValueError as error:
        raise Refused(f"is not JSON: {error}", hint=_HINT) from None
    if not isinstance(query, dict):
        raise Refused("must be a JSON object", hint=_HINT)
    return value


def _as_text(table: Mapping[str, object]) -> str:
    try:
        return json.dumps(table)
    except TypeError as error:  # a date of TOML
        raise Refused(f"holds a value that JSON has no type for: {error}", hint=_HINT) from None
