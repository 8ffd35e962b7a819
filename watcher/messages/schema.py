"""The one model of all messages in the generic envelope. No worker imports it; `python -m contract` writes its JSON Schema.

docs/message-format.md has the messages in words, and tests hold both to what the encoder writes. A field without a default is in
every message of its kind; one with a default can be absent, and is null only where its type says so. Fields that are not named here
may come with later versions, so they are allowed.
"""
# ruff: noqa: N815  # the names are those in the messages

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, RootModel
from pydantic.json_schema import SkipJsonSchema

Absent = SkipJsonSchema[None]
"""For a field that is left out when it does not apply, and never null."""

Time = Annotated[
    str,
    Field(
        pattern=r"^(\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        examples=["2024-01-01T12:00:00.000Z"],
        description="As JavaScript's toISOString() writes it.",
    ),
]
EventId = Annotated[
    str, Field(pattern="^[0-9A-F]+$", description="The resume token's _data: unique, and as text in the order of the stream.")
]
RowEventId = Annotated[
    str,
    Field(
        pattern=r"^([0-9A-F]+|[0-9A-Za-z_-]+\.\d+)$",
        description="The resume token's _data. In a message of a snapshot: the snapshot's id, a dot and a number.",
    ),
]
Document = Annotated[dict[str, Any], Field(description="A document, in the dialect of json_format.")]
Removable = Literal["fullDocument", "fullDocumentBeforeChange", "updateDescription"]


Chosen = Annotated[list[str] | Absent, Field(description="Names and globs of the collections to copy; absent if it is all.")]
Filters = Annotated[
    dict[str, str] | Absent, Field(description="By collection, the query that chooses its documents, as MongoDB Extended JSON.")
]


class DocumentKey(BaseModel):
    """The fields that identify a document; in a sharded collection it holds the shard key's fields as well."""

    id: Annotated[Any, Field(alias="_id")]


class TruncatedArray(BaseModel):
    """An array that an update has shortened."""

    field: str
    newSize: Annotated[int, Field(ge=0)]


class UpdateDescription(BaseModel):
    """The effect of an update; a dot in a name stands between the steps of a path, or is part of a field's own name."""

    updatedFields: dict[str, Any]
    removedFields: list[str]
    truncatedArrays: list[TruncatedArray] | Absent = None


class Namespace(BaseModel):
    """A collection."""

    database: str
    collection: str


class About(BaseModel):
    """The change event that a dead letter is about; `sequence` is its message's, if it has one."""

    operationType: str
    eventId: RowEventId
    documentKey: DocumentKey | Absent = None
    sequence: Annotated[int, Field(ge=1)] | Absent = None


def published_name(model: type) -> str:
    """Return a model's name in the schema. Where the consumer library has a class of that name, the code adds …Message to ours."""
    return model.__name__.removesuffix("Message")


class EveryMessage(BaseModel, model_title_generator=published_name):
    """The fields that all messages have."""

    database: str
    timestamp: Annotated[
        Time,
        Field(
            description="When the change was made, by the server's clock; of a snapshot's copy, the time as of which it was read."
        ),
    ]
    watcher: Annotated[str, Field(description="The watcher's kafka_client_id.")]
    sequence: Annotated[int, Field(ge=1, description="Counts this watcher's messages, over all its topics.")]


class RowChange(EveryMessage):
    """A change of one document."""

    collection: str
    documentKey: DocumentKey
    eventId: RowEventId
    snapshot: Annotated[
        str | Absent, Field(description="The snapshot that the document was copied by; absent in a change of the stream.")
    ] = None
    truncated: Annotated[list[Removable] | Absent, Field(description="What was left out, as the message was too large.")] = None


class Insert(RowChange):
    """A document was inserted."""

    operationType: Literal["insert"]
    fullDocument: Document | Absent = None


class Update(RowChange):
    """Fields of a document were changed."""

    operationType: Literal["update"]
    fullDocument: Annotated[
        Document | None, Field(description="The document a moment later; null when it was gone by then. Absent by setting.")
    ] = None
    fullDocumentBeforeChange: Document | None = None
    updateDescription: UpdateDescription | Absent = None


class Replace(RowChange):
    """A document was replaced by another one with the same _id."""

    operationType: Literal["replace"]
    fullDocument: Document | None = None
    fullDocumentBeforeChange: Document | None = None


class Delete(RowChange):
    """A document was deleted."""

    operationType: Literal["delete"]
    fullDocumentBeforeChange: Document | None = None


class Rename(EveryMessage):
    """A collection was renamed; what had the new name before is gone."""

    operationType: Literal["rename"]
    collection: str
    to: Namespace
    eventId: EventId


class Drop(EveryMessage):
    """A collection was dropped."""

    operationType: Literal["drop"]
    collection: str
    eventId: EventId


class DropDatabase(EveryMessage):
    """The database was dropped."""

    operationType: Literal["dropDatabase"]
    eventId: EventId


class Invalidate(EveryMessage):
    """The server has closed the change stream; the watcher opens a new one."""

    operationType: Literal["invalidate"]
    eventId: EventId


class GapMessage(EveryMessage):
    """Changes are missing between `from` and `to`: MongoDB no longer had them, or somebody has set the position forward."""

    operationType: Literal["gap"]
    reason: str
    from_: Annotated[Time | Absent, Field(alias="from")] = None
    lastEventId: EventId | Absent = None
    to: Time


class Rewind(EveryMessage):
    """Somebody has set the position back from `from` to `to`: the changes in between come again, with new numbers."""

    operationType: Literal["rewind"]
    reason: str
    from_: Annotated[Time, Field(alias="from")]
    lastEventId: EventId
    to: Time


class SnapshotMessage(EveryMessage):
    """A message about the course of a snapshot."""

    snapshot: Annotated[str, Field(description="The snapshot's id, which the documents that it copies carry too.")]


class SnapshotStartedMessage(SnapshotMessage):
    """A snapshot begins. It stands before all of the snapshot's documents, and before each change that spares one of them."""

    operationType: Literal["snapshotStarted"]
    reason: str
    snapshotOperation: Annotated[Literal["insert", "replace"], Field(description="The operationType of the documents.")]
    collections: Chosen = None
    filters: Filters = None


class LaterSnapshotMessage(SnapshotMessage):
    """A message about a snapshot that goes on or ends."""

    startedSequence: Annotated[int, Field(ge=1, description="The sequence of the snapshot's snapshotStarted.")]
    documents: Annotated[int, Field(ge=0, description="The documents that were copied.")]


class SnapshotCollectionCompleted(LaterSnapshotMessage):
    """All documents of a collection that the snapshot chooses have been copied."""

    operationType: Literal["snapshotCollectionCompleted"]
    collection: str
    filtered: Annotated[bool, Field(description="True if a query chose the documents, so that the others may be there as well.")]


class SnapshotCompletedMessage(LaterSnapshotMessage):
    """All collections have been copied."""

    operationType: Literal["snapshotCompleted"]
    collections: Chosen = None
    filters: Filters = None


class SnapshotAbortedMessage(LaterSnapshotMessage):
    """The snapshot has ended before all was copied."""

    operationType: Literal["snapshotAborted"]
    reason: str


class DeadLetter(EveryMessage):
    """A change event that could not be delivered whole."""

    operationType: Literal["deadLetter"]
    collection: str
    reason: str
    about: About
    bytes: Annotated[int | Absent, Field(ge=1, description="The size its value would have had.")] = None
    truncated: list[Removable] | Absent = None


RowMessage = Insert | Update | Replace | Delete
SnapshotControl = SnapshotStartedMessage | SnapshotCollectionCompleted | SnapshotCompletedMessage | SnapshotAbortedMessage
ControlMessage = Rename | Drop | DropDatabase | Invalidate | GapMessage | Rewind | SnapshotControl | DeadLetter

ROW_CHANGES: tuple[type[BaseModel], ...] = get_args(RowMessage)
CONTROL: tuple[type[BaseModel], ...] = get_args(ControlMessage)


class AnyMessage(RootModel[Annotated[RowMessage | ControlMessage, Field(discriminator="operationType")]]):
    """A message of Database Watcher."""
