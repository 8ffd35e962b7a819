"""The error about a change event that cannot be read, which names the document if it can."""

from __future__ import annotations

from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument

from watcher.errors import UndeliverableEvent
from watcher.messages.serializations.bson_json import DIALECTS

UNREADABLE = (InvalidBSON, LookupError, TypeError, AttributeError)
"""Errors from a damaged event: of its BSON, of a field that is missing or of another type, of a value that orjson cannot write (a
TypeError)."""

_TOP_LEVEL: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument, unicode_decode_error_handler="replace")


DAMAGED_HINT = "Validate the collection on the server (db.collection.validate({full: true})) and report the event's type."
RESHAPED_HINT = (
    "Look what the stages of `pipeline` make of the event's own fields, such as updateDescription: each must keep its type, or go. "
    'on_transform_error = "dead-letter" puts such changes aside.'
)


def unreadable(event: bytes, error: Exception, *, is_reshaped: bool = False) -> UndeliverableEvent:
    """Make the error that ends a worker. `is_reshaped`: the user's own stages may have made the event what it is."""
    return UndeliverableEvent(
        f"The change event of {_subject(event)} cannot be read: {type(error).__name__}: {error}",
        hint=RESHAPED_HINT if is_reshaped else DAMAGED_HINT,
    )


def _subject(event: bytes) -> str:
    """Name the collection and the key, if at least the event's top level can be read."""
    try:
        fields = RawBSONDocument(event, _TOP_LEVEL)
        namespace, key = fields["ns"], fields["documentKey"]
        return f"{namespace['db']}.{namespace['coll']} {DIALECTS['plain'].dumps(DIALECTS['plain'].decode(key.raw)).decode()}"
    except UNREADABLE:
        return "an unknown document"
