"""Details of one watcher: its latest messages, its settings and its log. Used by `/api/watchers/{name}/…` and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from watcher.agent.files import mark
from watcher.agent.lanes import Lane
from watcher.agent.page.log_choice import LogChoice, log_choice_of
from watcher.agent.view.fleet_view import view_of
from watcher.config import Deployment, Loaded
from watcher.config.in_force import values_in_force
from watcher.errors import WatcherError
from watcher.fleet.logs.lines import NO_TIME, Line, last_lines, pairs
from watcher.log import iso
from watcher.terminal.message_text import message_text, namespace, printable, short

if TYPE_CHECKING:
    from watcher.config import Settings
    from watcher.consumer.delivered import DeliveredMessage, Message

DEFAULT_MESSAGES = 20
MOST_MESSAGES = 200
DEFAULT_LINES = 200
MOST_LINES = 2000

MOST_READ_BYTES = 64 * 1024 * 1024
"""The approximate amount read from Kafka for one answer. If messages are large, fewer are shown."""

MOST_LOG_BYTES = 1024 * 1024
"""The amount of a log that is searched for its last lines. Lines may be very long if documents are logged."""

LOGS_KEPT = 4
"""The number of logs whose lines are kept in memory until they change."""

reading = Lane("messages", threads=1, most_waiting=8)
"""Only one reader at a time: each has buffers of several megabytes, and serving a page must not burden Kafka."""


async def messages(request: Request) -> JSONResponse:
    """Answer `GET /api/watchers/{name}/messages?n=20&collection=…&operation=…&key=…`: the last messages in Kafka, newest first, of
    those that are asked for; 503 if Kafka does not answer."""
    settings, count = settings_of(request), _count(request, DEFAULT_MESSAGES, MOST_MESSAGES)
    collection, operation, key = (request.query_params.get(part) or None for part in ("collection", "operation", "key"))
    try:
        latest, complete = await reading.run(lambda: _read(settings, count, collection, operation, key))
    except WatcherError as error:
        return JSONResponse({"error": str(error), "hint": error.hint}, status_code=503)
    return JSONResponse({"messages": latest, "complete": complete})


def settings(request: Request) -> JSONResponse:
    """Answer `GET /api/watchers/{name}/settings`: the settings, with secrets masked and their origins, or their faults."""
    loaded, name = _loaded(request), _name(request)
    return JSONResponse({"settings": settings_shown(loaded, name), "faults": faults_shown(loaded, name)})


def log(request: Request) -> JSONResponse:
    """Answer `GET /api/watchers/{name}/log?n=200&level=…&search=…&status=0`: the last lines that are asked for, oldest first."""
    name, choice = _name(request), log_choice_of(request.query_params, has_status=True)
    return JSONResponse({"lines": log_shown(view_of(request).deployment, name, _count(request, DEFAULT_LINES, MOST_LINES), choice)})


routes: list[BaseRoute] = [
    Route("/api/watchers/{name}/messages", messages),
    Route("/api/watchers/{name}/settings", settings),
    Route("/api/watchers/{name}/log", log),
]


def settings_shown(loaded: Loaded, name: str) -> list[dict[str, str]]:
    """Key, value and origin of each setting; empty for a watcher whose configuration has faults."""
    if name not in loaded.watchers:
        return []
    values = values_in_force(loaded.watchers[name], loaded.origins[name])
    return [{"key": key, "value": printable(value), "from": str(origin)} for key, value, origin in values]


def faults_shown(loaded: Loaded, name: str) -> list[dict[str, str]]:
    """The faults of a watcher's configuration."""
    return [{"message": printable(fault.message), "hint": fault.hint} for fault in loaded.broken.get(name, ())]


def log_shown(deployment: Deployment, name: str, count: int, choice: LogChoice) -> Sequence[dict[str, Any]]:
    """The last lines of a watcher's log that are asked for, oldest first."""
    path = deployment.log_file(name)
    return _log(name, path, mark(path), count, choice)


@lru_cache(maxsize=LOGS_KEPT)
def _log(name: str, path: Path, _version: object, count: int, choice: LogChoice) -> Sequence[dict[str, Any]]:
    """Look for lines in this version of the file; the page asks again whenever anything has changed."""
    try:
        lines = last_lines({name: path}, count, choice, MOST_LOG_BYTES)
    except OSError as error:
        lines = [Line(name, f"the log cannot be read: {error.strerror}")]
    return tuple(map(_line, lines))


def _read(
    settings: Settings, count: int, collection: str | None, operation: str | None, key: str | None
) -> tuple[list[Message], bool]:
    """The newest messages that are asked for, newest first, and True if no older one was left out because of a limit."""
    from watcher.consumer.reading.filter import Filter
    from watcher.consumer.reading.reader import MessageReader

    wanted = Filter(collection, (operation,) if operation else (), key)
    with MessageReader(settings) as reader:
        shrink = partial(_shrink, with_database=settings.scope.is_shared)
        latest = reader.last(count, wanted, shrink=shrink, most_bytes=MOST_READ_BYTES)
        return [delivered.message for delivered in reversed(latest)], reader.found_all


def _shrink(delivered: DeliveredMessage, *, with_database: bool) -> DeliveredMessage:
    """Keep only the parts of a message that are shown: the whole message may have megabytes."""
    return replace(delivered, text=b"", message=_shown(delivered, with_database=with_database))


def _shown(delivered: DeliveredMessage, *, with_database: bool) -> Message:
    text = message_text(delivered.message)
    return {
        "sequence": delivered.sequence,
        "timestamp": text.timestamp,
        "operation": text.operation,
        "collection": namespace(text) if with_database else text.collection,
        "key": text.key,
        "what": text.what,
        "topic": delivered.partition[0],
        "partition": delivered.partition[1],
        "offset": delivered.offset,
    }


def _line(line: Line) -> dict[str, Any]:
    fields = line.fields or {}
    return {
        "at": None if line.at == NO_TIME else iso(line.at),
        "level": short(fields.get("level", "")),
        "event": short(fields.get("event", "")) if line.fields is not None else short(line.text),
        "rest": short(" ".join(pairs(fields))),
    }


def _loaded(request: Request) -> Loaded:
    return view_of(request).loaded


def _name(request: Request) -> str:
    """The name in the request; 404 if there is no watcher with this name."""
    name: str = request.path_params["name"]
    if name not in _loaded(request).names:
        raise HTTPException(404, f"there is no watcher '{name}'")
    return name


def settings_of(request: Request) -> Settings:
    """The settings of the watcher in the request; 409 if its configuration has faults."""
    loaded, name = _loaded(request), _name(request)
    if name not in loaded.watchers:
        raise HTTPException(409, f"the configuration of '{name}' has faults")
    return loaded.watchers[name]


def _count(request: Request, default: int, most: int) -> int:
    """The number `n` in the query, at most `most`. An invalid number is not an error: it gives `default`."""
    text = request.query_params.get("n", "")
    return max(1, min(int(text), most)) if text.isdecimal() and len(text) < 10 else default
