"""Tabs of a browser that show the page without a server: their requests go to the application itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, Route
from starlette.types import ASGIApp

from tests.support.asgi import ask

ORIGIN = "http://agent"
NEEDS_KAFKA = "/messages"
"""The end of the path of what cannot be answered without Kafka, unless a test stands in for that."""


@contextmanager
def tabs(browser: Browser, app: ASGIApp, *, has_kafka: bool = False) -> Iterator[Callable[..., Page]]:
    """Give a function that opens a path in a tab of its own: `opened("/", **options of a context)`.

    Whatever the scripts of a tab break, or the policy forbids them, fails the test.
    """
    broken: list[str] = []
    contexts = []

    def opened(path: str, **options: Any) -> Page:
        contexts.append(browser.new_context(base_url=ORIGIN, **options))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(30_000)
        tab.on("pageerror", lambda error: broken.append(str(error)))
        tab.on("console", lambda message: "Content Security Policy" in message.text and broken.append(message.text))
        tab.route("**/*", lambda route: _answer(app, route, has_kafka=has_kafka))
        tab.goto(path)
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert broken == []


def _answer(app: ASGIApp, route: Route, *, has_kafka: bool) -> None:
    """Answer a request. That for the stream of events stays open without one, so a tab asks for the page when it has a reason."""
    request = route.request
    path = request.url.removeprefix(ORIGIN)
    if path.startswith("/api/stream"):
        return
    if path.partition("?")[0].endswith(NEEDS_KAFKA) and not has_kafka:
        route.abort()
        return
    headers = {"authorization": request.headers.get("authorization", "")}
    with ThreadPoolExecutor() as beside:  # Playwright's own loop runs in this thread
        found = beside.submit(ask, app, path, method=request.method, headers=headers, body=request.post_data_buffer or b"").result()
    route.fulfill(status=found.status, headers=dict(found.headers), body=found.body)
