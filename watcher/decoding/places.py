"""Knowledge of topics that is not in their messages: the database and collection that a name tells, and the schemas of Avro."""

from __future__ import annotations

import re
from typing import NamedTuple

from watcher.decoding.avro import SchemaOf

USUAL_TEMPLATE = "{database}.{collection}"

_GROUPS = {"{database}": "(?P<database>[^.]+)", "{collection}": "(?P<collection>.+)", "{operation}": "[A-Za-z]+"}
_NAMED = re.compile(r"\(\?P<(\w+)>")
_ESCAPED = re.compile(r"_x([0-9a-f]+)_")


class CollectionName(NamedTuple):
    """A database and a collection."""

    database: str
    collection: str


class TopicPlaces:
    """Reads topics' names by the template that they were made from. Names of databases have no point, so it is never ambiguous.
    `schema_of` knows the schemas of messages in Avro."""

    def __init__(
        self, template: str = USUAL_TEMPLATE, database: str = "", collection: str = "", schema_of: SchemaOf | None = None
    ) -> None:
        """`database` and `collection` are those of topics whose names do not tell. Raises ValueError for another placeholder."""
        self.schema_of = schema_of
        self._known = CollectionName(database, collection)
        pattern, groups = "", dict(_GROUPS)
        for part in re.split(r"(\{[^{}]*\})", template):
            if part not in groups and set(part) & {"{", "}"}:
                raise ValueError(f"'{template}' may hold {', '.join(_GROUPS)}, and no other braces")
            pattern += groups.get(part) or re.escape(part)
            if found := _NAMED.match(groups.get(part, "")):
                groups[part] = f"(?P={found[1]})"
        self._pattern = re.compile(pattern)

    def of(self, topic: str) -> CollectionName:
        """Return the place of a topic's documents; its own name stands for a collection that nothing tells."""
        found = self._pattern.fullmatch(topic)
        told = found.groupdict() if found else {}
        database, collection = (_unescaped(told.get(name, "")) for name in CollectionName._fields)
        return CollectionName(database or self._known.database, collection or self._known.collection or topic)


def _unescaped(name: str) -> str:
    """Return the name that a watcher has written into a topic with `_x<code point in hexadecimal>_` for some characters."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)
