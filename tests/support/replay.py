"""A consumer that keeps a copy of the database from the messages alone, as docs/message-format.md describes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]
Collections = dict[str, dict[Any, Document]]


def replayed(messages: Iterable[Document], *, by_deltas: bool, from_nothing: bool = True) -> Collections:
    """The collections after all messages, which come in order of their `sequence`; no empty ones.

    An update is carried out by its `updateDescription`, or else its `fullDocument` is taken over. That is the document as it was
    when the worker looked it up: maybe later than the update, and `null` if it was gone by then. Unless the messages begin
    `from_nothing`, there were documents before, and changes of those that have not come yet lead to nothing.
    """
    collections: Collections = defaultdict(dict)
    for message in messages:
        if "documentKey" in message:
            _change(collections[message["collection"]], message, by_deltas=by_deltas, from_nothing=from_nothing)
        else:
            _control(collections, message)
    return {name: documents for name, documents in collections.items() if documents}


def _change(documents: dict[Any, Document], message: Document, *, by_deltas: bool, from_nothing: bool) -> None:
    identity = message["documentKey"]["_id"]
    if identity not in documents and not from_nothing and not message.get("fullDocument"):
        return
    if message["operationType"] == "delete":
        del documents[identity]
    elif message["operationType"] == "update" and (by_deltas or message["fullDocument"] is None):
        apply_delta(documents[identity], message["updateDescription"])
    else:
        documents[identity] = message["fullDocument"]


def _control(collections: Collections, message: Document) -> None:
    if message["operationType"] == "drop":
        collections.pop(message["collection"], None)
    elif message["operationType"] == "rename":
        collections[message["to"]["collection"]] = collections.pop(message["collection"], {})


def apply_delta(document: Document, delta: Document) -> None:
    """Do to `document` what an updateDescription says. Names without dots of their own: MongoDB's paths are ambiguous with them."""
    for truncated in delta["truncatedArrays"]:
        holder, name = _reach(document, truncated["field"])
        del holder[name][truncated["newSize"] :]
    for path, value in delta["updatedFields"].items():
        holder, name = _reach(document, path)
        if isinstance(holder, list) and name == len(holder):
            holder.append(value)
        else:
            holder[name] = value
    for path in delta["removedFields"]:
        holder, name = _reach(document, path)
        holder.pop(name, None)


def _reach(document: Any, path: str) -> tuple[Any, Any]:
    """Return the container of the last part of a path, and that part: a name, or a place in an array."""
    *outer, last = path.split(".")
    for name in outer:
        document = document[int(name) if isinstance(document, list) else name]
    return document, int(last) if isinstance(document, list) else last
