"""The agent's interface for programs: status, history, actions, metrics, health."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from watcher.agent.http.guard import may_read
from watcher.agent.http.health import is_ready, readiness
from watcher.agent.lanes import Crowded, Lane
from watcher.agent.metrics.exposition import CONTENT_TYPE
from watcher.agent.view.fleet_view import FleetView, view_of
from watcher.errors import Outage, WatcherError, command_hint

HEARTBEAT_SECONDS = 5.0
EVENT_STREAM = "text/event-stream"
MOST_STREAMS = 50
"""The limit on open event streams. Each one renders the whole status whenever something changes."""

_changing = Lane("change", threads=4, most_waiting=8)
"""Stopping a worker can take 20 s."""


async def status(request: Request) -> Response:
    """Answer `GET /api/status` with the document of `watcherctl status --json`."""
    return Response(view_of(request).document(), media_type="application/json")


async def stream(request: Request) -> Response:
    """Answer `GET /api/stream` with the same document as server-sent events, at each change and at least every 5 s. With
    `?data=none` they are empty: the page asks for itself again, and needs no document."""
    changes = view_of(request).changes
    if request.method == "HEAD":
        return Response(media_type=EVENT_STREAM)
    if changes.followers >= MOST_STREAMS:
        return json_answer({"error": f"{MOST_STREAMS} already follow the events", "hint": "close a page that nobody looks at"}, 503)
    return _EventStream(view_of(request), is_empty=request.query_params.get("data") == "none")


class _EventStream(StreamingResponse):
    def __init__(self, view: FleetView, *, is_empty: bool) -> None:
        super().__init__(events(view, is_empty=is_empty), media_type=EVENT_STREAM)
        self._changes = view.changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._changes.followed():
            await super().__call__(scope, receive, send)


async def events(view: FleetView, *, is_empty: bool = False) -> AsyncIterator[bytes]:
    """Yield the events until the view is closed."""
    while not view.changes.is_closed:
        seen = view.changes.count
        yield b"event: status\ndata: " + (b"{}" if is_empty else view.document()) + b"\n\n"
        await view.changes.wait(HEARTBEAT_SECONDS, seen)


def history(request: Request) -> Response:
    """Answer `GET /api/watchers/{name}/history` with the last hour."""
    return json_answer(view_of(request).history.of(watcher_name(request)))


async def change(request: Request) -> Response:
    """Answer `POST /api/watchers/{name}/start`, `stop` and `restart`: as `watcherctl` does, but without waiting for streaming."""
    view, name = view_of(request), watcher_name(request)
    act = _ACTIONS.get(request.path_params["action"])
    if act is None:
        raise HTTPException(404, f"there is no action '{request.path_params['action']}'; there are: {', '.join(_ACTIONS)}")
    try:
        await _changing.run(lambda: _carry_out(act, view, name))
    except WatcherError as error:
        return refused(error)
    row = view.row(name)
    return json_answer({"name": name, "state": row.state.replace(" ", "_") if row else None}, 202)


def _carry_out(act: Callable[[FleetView, str], None], view: FleetView, name: str) -> None:
    view.refresh(ask_anew=True)
    act(view, name)
    view.refresh(ask_anew=True)


def _start(view: FleetView, name: str) -> None:
    view.fleet.start([view.loaded.one(name)])


def _stop(view: FleetView, name: str) -> None:
    view.fleet.stop([name])


def _restart(view: FleetView, name: str) -> None:
    view.fleet.restart([view.loaded.one(name)])


_ACTIONS: dict[str, Callable[[FleetView, str], None]] = {"start": _start, "stop": _stop, "restart": _restart}


def metrics(request: Request) -> Response:
    """Answer `GET /metrics`, for Prometheus."""
    return Response(view_of(request).metrics(), headers={"Content-Type": CONTENT_TYPE})


async def healthz(request: Request) -> Response:
    """Answer `GET /healthz`: 200 if the agent runs and supervisord answers, else 503. The watchers' states do not matter."""
    view = view_of(request)
    running = view.supervised.pid is not None
    reason = view.doubt or (None if running else "supervisord does not run")
    return json_answer({"healthy": reason is None, "reason": reason}, 503 if reason else 200)


async def readyz(request: Request) -> Response:
    """Answer `GET /readyz`: 200 if every watcher meant to stream does, and that is not in doubt, else 503. A client that may read
    also gets the reasons."""
    view = view_of(request)
    document: dict[str, Any] = {"ready": is_ready(view.survey) and not view.doubt}
    if may_read(view.agent, request.headers):
        document = readiness(view.survey) | document | {"doubt": view.doubt or None}
    return json_answer(document, 200 if document["ready"] else 503)


def watcher_name(request: Request) -> str:
    """The name in the request; 404 if there is no watcher with this name."""
    name: str = request.path_params["name"]
    if view_of(request).row(name) is None:
        raise HTTPException(404, f"there is no watcher '{name}'")
    return name


def refused(error: WatcherError) -> Response:
    """The answer to a request that was not carried out: 503 if it may be later, because a server is away or many ask, else 409."""
    code = 503 if isinstance(error, Crowded | Outage) else 409
    return json_answer({"error": str(error), "hint": command_hint(error)}, code)


def json_answer(document: Any, code: int = 200) -> Response:
    """An answer with a JSON document."""
    return Response(orjson.dumps(document), code, media_type="application/json")


routes: list[BaseRoute] = [
    Route("/api/status", status),
    Route("/api/stream", stream),
    Route("/api/watchers/{name}/history", history, middleware=[Middleware(GZipMiddleware)]),  # up to 8,000 numbers
    Route("/api/watchers/{name}/{action}", change, methods=["POST"]),
    Route("/metrics", metrics),
    Route("/healthz", healthz),
    Route("/readyz", readyz),
]
