"""Needs that the makers of messages have of a serialization."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from watcher.messages.envelopes.layout import Envelope
from watcher.messages.serializations.template import Fill, HeadersOf

if TYPE_CHECKING:  # most workers never need it
    from watcher.messages.serializations.avro_schemas import MessageSchemas

Frame: TypeAlias = Callable[[str, bytes, bytes | None], tuple[bytes, bytes | None]]
"""Turns key and value of a row message for a topic into those that Kafka gets."""

PrefixesOf: TypeAlias = "Callable[[str, MessageSchemas], tuple[bytes, bytes]]"
"""Returns what stands before key and value of a message for a topic, which tells the ids of their schemas. It may ask a registry,
whose errors it raises."""


class Serialization(Protocol):
    """One way of writing messages."""

    @property
    def name(self) -> str:
        """The name of the dialect in which documents are written."""

    @property
    def content_type(self) -> str:
        """The media type of values."""

    def decode(self, document: bytes, opened: Collection[str] = ()) -> dict[str, Any]:
        """Decode a BSON document."""

    def dumps(self, value: object) -> bytes:
        """Write what an envelope has been filled with."""

    def fast_path(self, envelope: Envelope, message_type: type[tuple[Any, ...]], headers_of: HeadersOf | None) -> Fill | None:
        """Make the function that does all of it in C; None if C was not compiled. The rest as for `template.fast_path`."""

    def control(self, topic: str, database: str, fields: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Return key and value of a control message."""
