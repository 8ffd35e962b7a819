"""Turns a change event into a Kafka message, as docs/message-format.md describes it. Pure: bytes and numbers in, a value out.

If `_row.c` could be compiled, it makes most messages of row changes in the plain dialect: the same bytes at a fraction of the cost.
The other messages are made here, and so is every message if `_row.c` is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from bson.codec_options import CodecOptions
from bson.datetime_ms import DatetimeMS
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument

from watcher.config import Settings
from watcher.config.topics.name import topic_name
from watcher.errors import UndeliverableEvent
from watcher.messages.bson_json import DIALECTS
from watcher.messages.iso_time import LATEST_MS, iso_time
from watcher.model import Message

native_row: Callable[[bytes, bytes, int], tuple[str, str, str, bytes, bytes, int] | None] | None
try:
    from watcher.messages._row import row

    native_row = row
except ImportError:
    native_row = None

BODY = ("fullDocument", "fullDocumentBeforeChange", "updateDescription")
"""Fields that a row message takes over from the change event unchanged, in this order."""

OPENED = ("_id", "documentKey")
"""Fields of which a message uses a part, however large they are."""

REMOVABLE = ("fullDocumentBeforeChange", "fullDocument", "updateDescription")
"""Fields that are removed from a message that is too large, the most valuable last. A consumer can read the document by its key."""

TOO_LARGE = "The message was too large for Kafka."
TOO_LARGE_FOR_MONGODB = "The change event was too large for MongoDB."

_TOP_LEVEL: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument, unicode_decode_error_handler="replace")
_UNREADABLE = (InvalidBSON, LookupError, TypeError, AttributeError)
"""Errors from a damaged event: of its BSON, of a field that is missing or of another type, of a value that orjson cannot write (a
TypeError)."""


TopicNaming = Callable[[str, str, str, str], str]
"""Names a topic from template, operation, database and collection."""


@dataclass(frozen=True, slots=True)
class MessageFormat:
    """Properties that the messages of one watcher share. Topics may hold `{database}`, `{collection}` and `{operation}`."""

    watcher: str
    database: str
    topic_insert: str
    topic_update: str
    topic_delete: str
    topic_control: str
    json_format: Literal["plain", "extended"] = "plain"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The message format of a watcher's settings."""
        topics = settings.topic_templates
        return cls(
            watcher=settings.kafka_client_id,
            database=settings.database,
            topic_insert=topics["insert"],
            topic_update=topics["update"],
            topic_delete=topics["delete"],
            topic_control=topics["control"],
            json_format=settings.json_format,
        )


class Encoder:
    """Makes the messages of one watcher; `native` allows the use of `_row.c`."""

    def __init__(self, message_format: MessageFormat, *, native: bool = True, topic_of: TopicNaming = topic_name) -> None:
        """`topic_of` names the topics of row changes."""
        self._native_row = native_row if native and message_format.json_format == "plain" else None
        self._topic_of = topic_of
        self._watcher = message_format.watcher
        self._database = message_format.database
        self._dialect = DIALECTS[message_format.json_format]
        self._control_topic = message_format.topic_control
        self._rows = {
            "insert": ("insert", message_format.topic_insert),
            "update": ("update", message_format.topic_update),
            "replace": ("replace", message_format.topic_update),
            "delete": ("delete", message_format.topic_delete),
        }
        """Name and topic by operation. All messages share one object for the name, which makes counting them much faster."""
        self._watcher_text = self._dialect.dumps(self._watcher)

    def encode(self, event: bytes, sequence: int) -> Message:
        """Make the message for a raw BSON change event. Errors: UndeliverableEvent if the event cannot be read."""
        if self._native_row and (made := self._native_row(event, self._watcher_text, sequence)):
            operation, database, collection, key, value, time_ms = made
            operation, topic = self._rows[operation]
            return Message(self._topic_of(topic, operation, database, collection), key, value, time_ms, operation)
        try:
            change = self._dialect.decode(event, OPENED)
            if change["operationType"] in self._rows:
                return self._row(change, sequence)
            return self._control_event(change, sequence)
        except _UNREADABLE as error:
            raise _unreadable(event, error) from error

    def encode_truncated(
        self,
        event: bytes,
        sequence: int,
        takes: Callable[[Message], bool],
        missing: Sequence[str] = (),
        size: int | None = None,
    ) -> list[Message]:
        """Make the messages for an event that is too large: its own without some `REMOVABLE` fields, and a dead letter about it.

        `missing` names the fields that MongoDB itself had to leave out. `size` is the size of the message's value in bytes, if it
        was encoded whole; encoding it again would take much memory. More fields are removed until `takes` is true. If not even the
        document's key fits, the dead letter comes alone. An event that is not a row change has nothing to remove. The messages are
        numbered from `sequence`. Errors: as `encode`.
        """
        try:
            change = self._dialect.decode(event, OPENED)
            if change["operationType"] not in self._rows:
                return [self._control_event(change, sequence)]
            return self._truncated(change, sequence, takes, missing, size)
        except _UNREADABLE as error:
            raise _unreadable(event, error) from error

    def control(
        self,
        operation: str,
        *,
        timestamp_ms: int,
        sequence: int,
        collection: str | None = None,
        event_id: str | None = None,
        **fields: Any,
    ) -> Message:
        """Make a message of the watcher's own for the control topic: a gap, or an event that could not be delivered.

        `fields` are written after `timestamp`, in the given order. `timestamp_ms` is in milliseconds since 1970.
        """
        head = _present({"operationType": operation, "database": self._database, "collection": collection})
        return self._control(head, fields, timestamp_ms, event_id, sequence)

    def _row(self, change: dict[str, Any], sequence: int, without: Sequence[str] = ()) -> Message:
        operation, topic = self._rows[change["operationType"]]
        namespace, document_key = change["ns"], change["documentKey"]
        database, collection = namespace["db"], namespace["coll"]
        time_ms = event_time_ms(change)
        envelope = {
            "operationType": operation,
            "database": database,
            "collection": collection,
            "documentKey": document_key,
            "timestamp": iso_time(time_ms),
        }
        for name in BODY:
            if name in change and name not in without:
                envelope[name] = change[name]
        envelope["eventId"] = change["_id"]["_data"]
        envelope["watcher"] = self._watcher
        envelope["sequence"] = sequence
        if without:
            envelope["truncated"] = without
        return Message(
            self._topic_of(topic, operation, database, collection),
            self._dialect.dumps(document_key["_id"]),
            self._dialect.dumps(envelope),
            _kafka_time_ms(time_ms),
            operation,
        )

    def _truncated(
        self,
        change: dict[str, Any],
        sequence: int,
        takes: Callable[[Message], bool],
        missing: Sequence[str],
        size: int | None,
    ) -> list[Message]:
        told = {"reason": TOO_LARGE_FOR_MONGODB if missing else TOO_LARGE, **_present({"bytes": size})}
        present = [name for name in REMOVABLE if change.get(name) is not None]
        for count in range(0 if missing else 1, len(present) + 1):
            without = [*missing, *present[:count]]
            row = self._row(change, sequence, without)
            if takes(row):
                return [row, self._dead_letter(change, sequence + 1, **told, truncated=without)]
        return [self._dead_letter(change, sequence, **told)]

    def _dead_letter(self, change: dict[str, Any], sequence: int, *, reason: str, **fields: Any) -> Message:
        about = {"operationType": change["operationType"], "eventId": change["_id"]["_data"]}
        if "truncated" in fields:
            about |= {"documentKey": change["documentKey"], "sequence": sequence - 1}
        return self.control(
            "deadLetter",
            collection=change["ns"]["coll"],
            timestamp_ms=event_time_ms(change),
            sequence=sequence,
            reason=reason,
            about=about,
            **fields,
        )

    def _control_event(self, change: dict[str, Any], sequence: int) -> Message:
        namespace, target = change.get("ns", {}), change.get("to")
        head = {
            "operationType": change["operationType"],
            # An invalidate event names no database.
            "database": namespace.get("db", self._database),
            "collection": namespace.get("coll"),
            "to": target and {"database": target["db"], "collection": target["coll"]},
        }
        return self._control(_present(head), {}, event_time_ms(change), change["_id"]["_data"], sequence)

    def _control(self, head: dict[str, Any], fields: dict[str, Any], time_ms: int, event_id: str | None, sequence: int) -> Message:
        tail = _present({"eventId": event_id, "watcher": self._watcher, "sequence": sequence})
        return Message(
            topic_name(self._control_topic, head["operationType"], head["database"]),
            self._dialect.dumps(head["database"]),
            self._dialect.dumps({**head, "timestamp": iso_time(time_ms), **fields, **tail}),
            _kafka_time_ms(time_ms),
            head["operationType"],
        )


def event_time_ms(change: dict[str, Any]) -> int:
    """Return the time of the change, in milliseconds since 1970; servers before 6.0 give only whole seconds."""
    wall_time = change.get("wallTime")
    return int(wall_time) if isinstance(wall_time, DatetimeMS) else change["clusterTime"].time * 1000


def _kafka_time_ms(time_ms: int) -> int:
    # Kafka refuses negative times. A server whose clock is set gives neither those nor times beyond JavaScript's.
    if 0 <= time_ms <= LATEST_MS:
        return time_ms
    return 0 if time_ms < 0 else LATEST_MS


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _unreadable(event: bytes, error: Exception) -> UndeliverableEvent:
    return UndeliverableEvent(
        f"The change event of {_subject(event)} cannot be read: {type(error).__name__}: {error}",
        hint="Validate the collection on the server (db.collection.validate({full: true})) and report the event's type.",
    )


def _subject(event: bytes) -> str:
    """Name the collection and the key, if at least the event's top level can be read."""
    try:
        fields = RawBSONDocument(event, _TOP_LEVEL)
        namespace, key = fields["ns"], fields["documentKey"]
        return f"{namespace['db']}.{namespace['coll']} {DIALECTS['plain'].dumps(DIALECTS['plain'].decode(key.raw)).decode()}"
    except _UNREADABLE:
        return "an unknown document"
