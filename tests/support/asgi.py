"""Requests to an ASGI application, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.types import ASGIApp, Message


@dataclass(slots=True)
class Answer:
    """Response of the application."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.body)


def ask(app: ASGIApp, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    """One request from start to end; `path` may have a query."""
    return asyncio.run(ask_within(app, path, method=method, headers=headers, body=body))


async def ask_within(
    app: ASGIApp, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Answer:
    """One request from start to end, within a running event loop."""
    answer = Answer()
    requests: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(requests, None) or await asyncio.Future()  # then nothing more comes, not even that the client is gone

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {key.decode().lower(): value.decode() for key, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    plain, _, query = path.partition("?")
    await app(
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(plain),
            "raw_path": plain.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(key.lower().encode(), value.encode()) for key, value in {"host": "127.0.0.1", **(headers or {})}.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8085),
        },
        receive,
        send,
    )
    return answer
