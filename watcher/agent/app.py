"""The agent's HTTP interface, put together."""

from __future__ import annotations

from starlette.applications import Starlette

from watcher.agent import details, pages
from watcher.agent.view import FleetView


def create_app(view: FleetView) -> Starlette:
    """The application that shows `view`."""
    app = Starlette(routes=[*pages.routes, *details.routes])
    app.state.view = view
    return app
