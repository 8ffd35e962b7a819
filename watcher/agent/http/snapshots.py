"""Snapshots steered by HTTP: `POST /api/watchers/{name}/snapshot/{action}` does what `watcherctl snapshot` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast, get_args

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from watcher.agent.http.api import json_answer, refused, watcher_name
from watcher.agent.lanes import Lane
from watcher.agent.view.fleet_view import view_of
from watcher.config import Deployment, Settings
from watcher.errors import WatcherError
from watcher.live_commands.snapshots import Action, Done, Operation, alter_present, begin

MOST_BYTES = 64 * 1024
"""Limit on the size of a request's body."""

START = "start"
ACTIONS = (START, *get_args(Action))

_commanding = Lane("snapshot", threads=2, most_waiting=6)
"""A command may wait for MongoDB and Kafka until they time out."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The wish of a request: names and globs, none for what the settings choose, and the operationType of its messages."""

    collections: tuple[str, ...] = ()
    operation: Operation = "replace"


async def steer(request: Request) -> Response:
    """Answer `POST /api/watchers/{name}/snapshot/start`, `pause`, `resume` and `stop` when it is done, with the command's words."""
    view, name, action = view_of(request), watcher_name(request), request.path_params["action"]
    if action not in ACTIONS:
        raise HTTPException(404, f"there is no action '{action}'; there are: {', '.join(ACTIONS)}")
    command = _starting(choice_of(await _body(request))) if action == START else _altering(action)

    def work() -> Done[str]:
        view.refresh(ask_anew=True)
        return command(view.deployment, view.loaded.one(name))

    try:
        done = await _commanding.run(work)
    except WatcherError as error:
        return refused(error)
    return json_answer({"name": name, "done": done.result, "note": done.note or None})


def choice_of(content: bytes) -> Choice:
    """Read the choice from a request's body; nothing at all chooses what the settings choose. Raises HTTPException (400)."""
    try:
        document = orjson.loads(content or b"{}")
    except ValueError as error:
        raise HTTPException(400, "the body is not JSON") from error
    if not isinstance(document, dict) or not document.keys() <= {"collections", "operation"}:
        raise HTTPException(400, "the body may have 'collections' and 'operation', and nothing else")
    collections, operation = document.get("collections", []), document.get("operation", "replace")
    if not isinstance(collections, list) or not all(isinstance(each, str) and each for each in collections):
        raise HTTPException(400, "'collections' must be a list of names and globs")
    if operation not in get_args(Operation):
        raise HTTPException(400, f"'operation' must be one of: {', '.join(get_args(Operation))}")
    return Choice(tuple(collections), operation)


def _starting(choice: Choice) -> Callable[[Deployment, Settings], Done[str]]:
    def start(deployment: Deployment, settings: Settings) -> Done[str]:
        done = begin(deployment, settings, choice.collections, operation=choice.operation)
        return Done(f"started  {done.result.id}", done.note)

    return start


def _altering(action: str) -> Callable[[Deployment, Settings], Done[str]]:
    return lambda deployment, settings: alter_present(deployment, settings, cast(Action, action))


async def _body(request: Request) -> bytes:
    """Read the body; 413 as soon as it is too large."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise HTTPException(413, f"the body has more than {MOST_BYTES} bytes")
    return content


routes: list[BaseRoute] = [Route("/api/watchers/{name}/snapshot/{action}", steer, methods=["POST"])]
