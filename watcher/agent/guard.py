"""Who may ask the agent: only this host, or whoever has the token; and nobody changes anything without it."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from watcher.config.agent_settings import AgentSettings

OPEN = "/static/"
"""Scripts and styles hold no secret, and the form that asks for the token needs them."""

MACHINE_PATHS = ("/api/", "/metrics", "/healthz", "/readyz")
"""What programs ask for; anything else is a page for people."""

_READING = {"GET", "HEAD"}
_LOCAL_NAMES = {"localhost", "ip6-localhost"}
_HOST = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::\d*)?")


class Guard:
    """ASGI middleware that answers what is not permitted itself. `sign_in` makes the page for a browser without the token.

    On the loopback any page that the user visits could send requests here. It cannot read the answers, since no CORS header
    permits it, unless its name is made to mean this host (DNS rebinding); then the Host header has that name.
    """

    def __init__(self, app: ASGIApp, settings: AgentSettings, sign_in: Callable[[], Response]) -> None:
        self._app = app
        self._settings = settings
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        refusal = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if self._settings.is_loopback and not is_of_this_host(request.headers.get("host", ""), self._settings.host):
            return _refused(403, "this agent does not have that name", f"ask for {self._settings.host}")
        if request.url.path.startswith(OPEN):
            return None
        if request.method not in _READING:
            return self._refusal_to_change(request)
        if self._settings.is_loopback or self._has_token(request):
            return None
        return _unauthorized() if request.url.path.startswith(MACHINE_PATHS) else self._sign_in()

    def _refusal_to_change(self, request: Request) -> Response | None:
        if self._settings.token is None:
            return _refused(
                403, "nothing can be changed here without a token", "set token in conf.d/agent.toml, then watcherctl apply"
            )
        return None if self._has_token(request) else _unauthorized()

    def _has_token(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = self._settings.token
        return (
            token is not None
            and scheme.lower() == "bearer"
            and hmac.compare_digest(given.strip().encode(), token.get_secret_value().encode())
        )


def is_of_this_host(host_header: str, own_name: str) -> bool:
    """Whether a Host header names this host in a way that no stranger's DNS can: by address, as localhost, or as configured."""
    host = _HOST.fullmatch(host_header)
    name = (host["address"] or host["name"]) if host else ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower() in _LOCAL_NAMES | {own_name.lower()}
    return True


def _unauthorized() -> Response:
    response = _refused(401, "the token is missing or wrong", "send it as Authorization: Bearer <token>")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _refused(status: int, error: str, hint: str) -> Response:
    return JSONResponse({"error": error, "hint": hint}, status)
