"""The agent's HTTP interface, put together."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request

from watcher.agent.view import FleetView


def create_app(view: FleetView) -> Starlette:
    """The application that shows `view`. Its handlers find the view by `view_of`."""
    app = Starlette(routes=[])
    app.state.view = view
    return app


def view_of(request: Request) -> FleetView:
    """The fleet that a request is about."""
    view = request.app.state.view
    assert isinstance(view, FleetView)  # noqa: S101
    return view
