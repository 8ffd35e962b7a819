"""Models of the values in Debezium's envelope and in that of MongoDB's connector, for their JSON Schemas. No worker imports it.

As in `schema.py`: a field without a default is in every message, and fields that are not named here are allowed.
"""
# ruff: noqa: N815  # the names are those in the messages

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from watcher.messages.schema import Absent, Document, DocumentKey, UpdateDescription

DocumentText = Annotated[str | None, Field(description="A document as JSON text, in the strict dialect; null if there is none.")]
Milliseconds = Annotated[int, Field(description="Milliseconds since 1970.")]


class ShortenedArray(BaseModel):
    """An array that an update has shortened."""

    field: str
    size: Annotated[int, Field(ge=0)]


class DebeziumUpdate(BaseModel):
    """The effect of an update."""

    removedFields: list[str] | None
    updatedFields: Annotated[str | None, Field(description="An object as JSON text, in the extended dialect.")]
    truncatedArrays: list[ShortenedArray] | None


class DebeziumSource(BaseModel):
    """Origin of a change, and the time at which it was made."""

    version: Annotated[str, Field(description="The version of Debezium whose format this is.")]
    connector: Literal["mongodb"]
    name: Annotated[str, Field(description="The watcher's kafka_client_id.")]
    ts_ms: Milliseconds
    snapshot: Literal["false", "true"]
    db: str
    sequence: None
    ts_us: int
    ts_ns: int
    collection: str
    ord: Annotated[int, Field(ge=0, description="The number of the operation within its second.")]
    lsid: Annotated[str | None, Field(description="The session of a transaction, as JSON text.")]
    txnNumber: int | None
    wallTime: Milliseconds


class DebeziumMessage(BaseModel):
    """A change of one document, as Debezium's connector for MongoDB writes it. A message without a value follows a delete."""

    before: DocumentText
    after: DocumentText
    updateDescription: DebeziumUpdate | None
    source: DebeziumSource
    op: Annotated[Literal["c", "u", "d", "r"], Field(description="Create, update or replace, delete, read by a snapshot.")]
    ts_ms: Milliseconds
    transaction: None


class EventNamespace(BaseModel):
    """A collection."""

    db: str
    coll: str


class ChangeEvent(BaseModel):
    """A change of one document, as MongoDB's source connector writes it: the change event itself."""

    id: Annotated[
        dict[str, Any],
        Field(alias="_id", description="The resume token; of a snapshot's document its _id, and copyingData."),
    ]
    operationType: Literal["insert", "update", "replace", "delete"]
    clusterTime: Annotated[dict[str, Any] | Absent, Field(description="Absent in a document of a snapshot, as wallTime is.")] = None
    wallTime: Any = None
    lsid: dict[str, Any] | Absent = None
    txnNumber: Any = None
    fullDocument: Document | None = None
    ns: EventNamespace
    documentKey: DocumentKey
    updateDescription: UpdateDescription | Absent = None
    fullDocumentBeforeChange: Document | None = None
