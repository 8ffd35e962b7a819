"""One message of a watcher, with all that is in Kafka: for programs as JSON, and for a page of its own that a link leads to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from watcher.agent.page.details import reading, settings_of
from watcher.errors import WatcherError, command_hint
from watcher.log import iso
from watcher.terminal.durations import NOTHING
from watcher.terminal.message_text import message_text, short

if TYPE_CHECKING:
    from watcher.consumer.reading.single import SingleMessage

MOST_BYTES = 1024 * 1024
"""Limit on the JSON that a page shows whole, and indented. The whole of it is at the message's address for programs."""

_PLACE = re.compile(r"(?P<topic>[A-Za-z0-9._-]{1,249})-(?P<partition>\d{1,9})-(?P<offset>\d{1,18})")
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that an update changed: its name, and its values before and after as JSON, or words for what is not a value."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message in words. `json` is indented, or only its beginning if `is_cut`. `has_before` is true if it tells of any field
    before."""

    title: str
    facts: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    changes: tuple[FieldChange, ...]
    has_before: bool
    json: str
    is_cut: bool


async def single(request: Request) -> Response:
    """Answer `GET /api/watchers/{name}/messages/{topic}-{partition}-{offset}`: the message with its value as it is in Kafka."""
    found = await find_message(request)
    topic, partition = found.delivered.partition
    return Response(
        orjson.dumps(
            {
                "topic": topic,
                "partition": partition,
                "offset": found.delivered.offset,
                "timestamp": iso(found.at) if found.at else None,
                "key": _text(found.key),
                "headers": [[name, _text(value)] for name, value in found.headers],
                "value": orjson.Fragment(found.delivered.text),
            }
        ),
        media_type="application/json",
    )


routes: list[BaseRoute] = [Route("/api/watchers/{name}/messages/{place}", single)]


async def find_message(request: Request) -> SingleMessage:
    """Read the message that a request is about. Raises HTTPException: 404 if there is none, 503 if Kafka does not answer."""
    from watcher.consumer.reading.single import read_single

    settings, place = settings_of(request), _PLACE.fullmatch(request.path_params["place"])
    if place is None:
        raise HTTPException(404, "a message's address ends in TOPIC-PARTITION-OFFSET")
    partition, offset = (place["topic"], int(place["partition"])), int(place["offset"])
    try:
        found = await reading.run(lambda: read_single(settings, partition, offset))
    except WatcherError as error:
        raise HTTPException(503, " ".join(filter(None, (f"{error}.", command_hint(error))))) from error
    if found is None:
        raise HTTPException(404, f"{place[0]} is no message of {settings.name}; it may be one that Kafka has removed since")
    return found


def message_view(found: SingleMessage) -> MessageView:
    """Make the page's view of a message."""
    message, text = found.delivered.message, message_text(found.delivered.message)
    changes = tuple(_changes(message))
    is_cut = len(found.delivered.text) > MOST_BYTES
    return MessageView(
        f"{text.operation} in {text.collection}" if text.collection else text.operation,
        tuple(_facts(found)),
        tuple((short(name), _printable(value)) for name, value in found.headers),
        changes,
        any(change.before for change in changes),
        _beginning(found.delivered.text) if is_cut else _indented(found.delivered.text),
        is_cut,
    )


def _facts(found: SingleMessage) -> Iterator[tuple[str, str]]:
    topic, partition = found.delivered.partition
    yield "Topic", topic
    yield "Partition", str(partition)
    yield "Offset", str(found.delivered.offset)
    yield "Sequence", str(found.delivered.sequence)
    yield "Key", _printable(found.key)
    yield "Change made at", short(found.delivered.message.get("timestamp", NOTHING))
    yield "Time in Kafka", iso(found.at) if found.at else NOTHING


def _changes(message: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Yield what an update changed. What was before is known only where the watcher adds pre-images."""
    if message.get("operationType") != "update":
        return
    before, description = message.get("fullDocumentBeforeChange"), message.get("updateDescription") or {}
    for name, value in (description.get("updatedFields") or {}).items():
        yield FieldChange(short(name), _before(before, name), short(_json(value)))
    for name in description.get("removedFields") or ():
        yield FieldChange(short(name), _before(before, name), "removed")
    for each in description.get("truncatedArrays") or ():
        yield FieldChange(short(each.get("field")), "", f"shortened to {short(each.get('newSize'))}")


def _before(document: Mapping[str, Any] | None, path: str) -> str:
    """The value at a path such as `address.city` or `items.0`; empty if no pre-image is there, or it has no such field."""
    value: Any = document
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part, _UNKNOWN)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ""
    return "" if value is _UNKNOWN else short(_json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _indented(text: bytes) -> str:
    """The JSON with a line for each value."""
    return _visible(json.dumps(json.loads(text), ensure_ascii=False, indent=2))


def _beginning(text: bytes) -> str:
    return _visible(text[:MOST_BYTES].decode(errors="backslashreplace"))


def _visible(text: str) -> str:
    """Escape, as JSON does, what would not be seen or would turn a line around."""
    return "\n".join(line if line.isprintable() else "".join(map(_escaped, line)) for line in text.split("\n"))


def _escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _printable(content: bytes | None) -> str:
    return NOTHING if content is None else short(_text(content))


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")
