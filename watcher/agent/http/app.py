"""The agent's HTTP application: all routes, access control and error pages."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from watcher.agent.http import api, snapshots
from watcher.agent.http.guard import MACHINE_PATHS, Guard
from watcher.agent.page import details, pages, single
from watcher.agent.view.fleet_view import FleetView


def create_app(view: FleetView) -> Starlette:
    """The application that shows `view`."""
    app = Starlette(
        routes=[*pages.routes, *details.routes, *single.routes, *snapshots.routes, *api.routes],
        middleware=[Middleware(Guard, settings=view.agent, sign_in=pages.sign_in)],
        exception_handlers={HTTPException: _tell},
    )
    app.state.view = view
    app.router.redirect_slashes = False  # a redirect would go to whatever host the Host header names
    return app


def _tell(request: Request, error: Exception) -> Response:
    """An HTTP error, as JSON for programs and as a page for browsers."""
    assert isinstance(error, HTTPException)  # noqa: S101  # it is registered for no other exception
    if request.scope["path"].startswith(MACHINE_PATHS):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    return pages.message_page(error.status_code, str(error.status_code), error.detail)
