"""What programs ask the agent: status, history, actions, metrics, health."""

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

from watcher.agent.exposition import CONTENT_TYPE
from watcher.agent.health import is_ready, readiness
from watcher.agent.view import FleetView, view_of
from watcher.errors import WatcherError
from watcher.fleet.status_json import as_json

HEARTBEAT_SECONDS = 5.0
_NOT_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def status(request: Request) -> Response:
    """`GET /api/status`: the document of `watcherctl status --json`."""
    return _json(as_json(view_of(request).survey))


async def stream(request: Request) -> Response:
    """`GET /api/stream`: the same document as server-sent events, when something has changed and at least every 5 s."""
    return StreamingResponse(_events(view_of(request)), media_type="text/event-stream", headers=_NOT_KEPT)


async def _events(view: FleetView) -> AsyncIterator[bytes]:
    while not view.changes.is_closed:
        yield b"event: status\ndata: " + orjson.dumps(as_json(view.survey)) + b"\n\n"
        await view.changes.wait(HEARTBEAT_SECONDS)


def history(request: Request) -> Response:
    """`GET /api/watchers/{name}/history`: the last hour."""
    return _json(view_of(request).history.of(_name(request)))


def change(request: Request) -> Response:
    """`POST /api/watchers/{name}/start`, `stop`, `restart`: as `watcherctl` does it, without waiting until the worker streams."""
    view, name = view_of(request), _name(request)
    act = _ACTIONS.get(request.path_params["action"])
    if act is None:
        raise HTTPException(404, f"there is no action '{request.path_params['action']}'; there are: {', '.join(_ACTIONS)}")
    view.refresh(ask_anew=True)
    try:
        act(view, name)
    except WatcherError as error:
        return _json({"error": str(error), "hint": error.hint}, 409)
    view.refresh(ask_anew=True)
    row = view.row(name)
    return _json({"name": name, "state": row.state.replace(" ", "_") if row else None}, 202)


def _start(view: FleetView, name: str) -> None:
    view.fleet.start([view.loaded.one(name)])


def _stop(view: FleetView, name: str) -> None:
    view.fleet.stop([name])


def _restart(view: FleetView, name: str) -> None:
    view.fleet.restart([view.loaded.one(name)])


_ACTIONS: dict[str, Callable[[FleetView, str], None]] = {"start": _start, "stop": _stop, "restart": _restart}


def metrics(request: Request) -> Response:
    """`GET /metrics`: for Prometheus."""
    return Response(view_of(request).metrics(), headers={**_NOT_KEPT, "Content-Type": CONTENT_TYPE})


def healthz(request: Request) -> Response:
    """`GET /healthz`: 200 if the agent lives and supervisord answers, else 503. How the watchers are does not matter here."""
    view = view_of(request)
    running = view.supervised.pid is not None
    reason = view.trouble or (None if running else "supervisord does not run")
    return _json({"healthy": reason is None, "reason": reason}, 503 if reason else 200)


def readyz(request: Request) -> Response:
    """`GET /readyz`: 200 if every watcher streams that is meant to, else 503; and of each watcher why not."""
    survey = view_of(request).survey
    return _json(readiness(survey), 200 if is_ready(survey) else 503)


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    if view_of(request).row(name) is None:
        raise HTTPException(404, f"there is no watcher '{name}'")
    return name


def _json(document: Any, code: int = 200) -> Response:
    return Response(orjson.dumps(document), code, _NOT_KEPT, "application/json")


routes: list[BaseRoute] = [
    Route("/api/status", status),
    Route("/api/stream", stream),
    Route("/api/watchers/{name}/history", history, middleware=[Middleware(GZipMiddleware)]),  # 8,000 numbers
    Route("/api/watchers/{name}/{action}", change, methods=["POST"]),
    Route("/metrics", metrics),
    Route("/healthz", healthz),
    Route("/readyz", readyz),
]
