"""Makes the messages of row changes from decoded change events: the definition of what `_bson_json.c` makes too, where it can."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import orjson

from watcher.messages.envelopes.layout import Envelope, InString, Spaced, filling, name_of, parts_of
from watcher.messages.headers import Headers, size_of
from watcher.messages.row_values import (
    COLLECTION,
    DATABASE,
    EVENT_ID,
    OPERATION,
    SNAPSHOT,
    TRUNCATED,
    TRUNCATED_ARRAYS,
    UPDATE_PARTS,
    event_time_ms,
    name_update_parts,
    name_values,
    record_time_ms,
)
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.serializations.serialization import Frame, Serialization
from watcher.model import Message

TopicNaming: TypeAlias = Callable[[str, str, str, str], str]
"""Names a topic from template, operation, database and collection."""

OPENED = ("_id", "documentKey")
"""Fields of which a message uses a part, however large they are."""

STRING_OR_MARK = re.compile(rb'"(?:[^"\\]|\\.)*"|[:,]')
"""Matches a string in compact JSON, or what may have a space behind it."""

COLONS, COLONS_AND_COMMAS = (b":",), (b":", b",")


class RowMessages:
    """The messages of row changes in one envelope and serialization. `topics` are the topic templates by operation, and `topic_of`
    names a topic by its template. `removable` names what may be left out of a message that is too large."""

    def __init__(
        self,
        envelope: Envelope,
        serialization: Serialization,
        topics: Mapping[str, str],
        topic_of: TopicNaming,
        headers: Headers | None = None,
        frame: Frame | None = None,
    ) -> None:
        parts = [part for layout in envelope.layouts() for part in parts_of(layout)]
        self.removable = envelope.removable
        self._nullable = envelope.nullable
        self._serialization = serialization
        self._others = sorted({part.dialect for part in parts if isinstance(part, InString)} - {serialization.name})
        self._uses_update_parts = not {name_of(part) for part in parts}.isdisjoint(UPDATE_PARTS)
        self._opened = (*OPENED, "updateDescription") if self._uses_update_parts else OPENED
        self._fills = self._filling(envelope)
        self._fills_row = self._filling(envelope.rows) if envelope.rows else self._fills
        self._dumps = serialization.dumps
        self._topics = topics
        self._topic_of = topic_of
        self._headers = headers
        self._frame = frame

    def decode(self, event: bytes) -> dict[str, Any]:
        """Decode a change event for `message`, in all dialects that its values are written in. Errors: bson.errors.InvalidBSON."""
        change = self._serialization.decode(event, self._opened)
        for name in self._others:
            change[_decoded_in(name)] = DIALECTS[name].decode(event, self._opened)
        return change

    def message(self, change: dict[str, Any], sequence: int, without: Collection[str] = ()) -> Message:
        """Make the message of a change from `decode`; `without` names fields to be left out.

        Errors: LookupError, TypeError or AttributeError if the event is damaged.
        """
        time_ms = event_time_ms(change)
        change = self._named(change, sequence, time_ms, without)
        for name in self._others:
            change[_decoded_in(name)] = self._named(change[_decoded_in(name)], sequence, time_ms, without)
        fill_key, fill_values = self._fills_row if SNAPSHOT in change else self._fills
        operation, fill_value = fill_values[change[OPERATION]]
        filled = fill_value(change)
        topic = self._topic_of(self._topics[operation], operation, change[DATABASE], change[COLLECTION])
        key, value = self._dumps(fill_key(change)), None if filled is None else self._dumps(filled)
        if self._frame:
            key, value = self._frame(topic, key, value)
        headers = self._headers.of(operation, sequence, change[EVENT_ID], time_ms) if self._headers else None
        return Message(
            topic,
            key,
            value,
            record_time_ms(time_ms),
            operation,
            headers=headers,
            header_bytes=size_of(headers),
            database=change[DATABASE],
        )

    def _named(self, change: dict[str, Any], sequence: int, time_ms: int, without: Collection[str]) -> dict[str, Any]:
        name_values(change, sequence, time_ms)
        for name in self._nullable:
            change.setdefault(name, None)
        if self._uses_update_parts:
            name_update_parts(change)
            change[TRUNCATED_ARRAYS] = orjson.loads(self._dumps(change[TRUNCATED_ARRAYS]))  # very many are already text
        if without:
            change = {name: value for name, value in change.items() if name not in without} | {TRUNCATED: without}
        return change

    def _filling(self, envelope: Envelope) -> Any:
        values = {operation: (operation, filling(layout, self._text)) for operation, layout in envelope.values.items()}
        return filling(envelope.key, self._text), values

    def _text(self, values: Mapping[str, Any], form: InString | Spaced) -> str | orjson.Fragment | None:
        if isinstance(form, Spaced):
            return orjson.Fragment(spaced(self._dumps(values[form.value]), COLONS_AND_COMMAS))
        dialect = DIALECTS[form.dialect]
        value = (values[_decoded_in(form.dialect)] if form.dialect in self._others else values).get(form.value)
        if value is None and not (form.spaced and form.quoted):
            return None
        text = dialect.dumps(value)
        text = spaced(text) if form.spaced else text
        return text.decode() if form.quoted else orjson.Fragment(text)


def spaced(text: bytes, marks: Collection[bytes] = COLONS) -> bytes:
    """Return compact JSON with a space after each of these marks."""
    return STRING_OR_MARK.sub(lambda found: found[0] + b" " if found[0] in marks else found[0], text)


def _decoded_in(dialect: str) -> str:
    """Name the place, within a decoded change, of the same change in another dialect; no field of MongoDB's is called so."""
    return f"$decoded in {dialect}"
