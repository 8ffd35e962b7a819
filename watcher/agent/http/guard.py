"""Access control of the agent. A client with the token may do everything. On the loopback, the settings may let others read."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watcher.config.agent_settings import AgentSettings

OPEN = "/static/"
"""Scripts and styles are open to all: they hold no secret, and the form that asks for the token needs them."""

PROBES = ("/healthz", "/readyz")
"""Paths that need no token on the loopback, so that probes work without one. Without a token `/readyz` names no watcher."""

MACHINE_PATHS = ("/api/", "/metrics", *PROBES)
"""Paths for programs. All others are pages for people."""

NOT_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of all answers that are not public: no browser or proxy may store them or guess their content type."""

_READING = {"GET", "HEAD"}
_LOCAL_NAMES = {"localhost", "ip6-localhost"}
_HOST = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::\d*)?")


class Guard:
    """ASGI middleware that answers forbidden requests itself. `sign_in` makes the page for a browser without the token.

    It decides by the scope's path, which is also used for routing. The path of `request.url` is built with the Host header, which
    the client chooses: up to Starlette 1.0.0 `Host: x/static/` made every path begin with `/static/` (CVE-2026-48710).

    On the loopback, any web page that the user visits could send requests here. It cannot read the answers, since no CORS header
    allows it, unless its own host name resolves to this host (DNS rebinding). The Host header then holds that name.
    """

    def __init__(self, app: ASGIApp, settings: AgentSettings, sign_in: Callable[[], Response]) -> None:
        self._app = app
        self._settings = settings
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or refuse it. Anything other than HTTP is ignored."""
        if scope["type"] != "http":
            return
        answer = self._refusal(scope["method"], scope["path"], Headers(scope=scope)) or self._app
        await answer(scope, receive, send if scope["path"].startswith(OPEN) else _not_kept(send))

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        if self._settings.is_loopback and not is_of_this_host(headers.get("host", ""), self._settings.host):
            return _refused(403, "this agent does not have that name", f"ask for {self._settings.host}")
        if method not in _READING:
            return self._refusal_to_change(headers)
        if path.startswith(OPEN) or may_read(self._settings, headers) or (self._settings.is_loopback and path in PROBES):
            return None
        return self._not_to_read() if path.startswith(MACHINE_PATHS) else self._sign_in()

    def _not_to_read(self) -> Response:
        """Refuse to read. On the loopback, where reading once needed no token, the hint names the setting that allows it again."""
        return _unauthorized("; or set read_without_token = true in conf.d/agent.toml" if self._settings.is_loopback else "")

    def _refusal_to_change(self, headers: Headers) -> Response | None:
        if self._settings.token is None:
            return _refused(
                403, "nothing can be changed here without a token", "set token in conf.d/agent.toml, then watcherctl apply"
            )
        return None if _has_token(self._settings, headers) else _unauthorized()


def may_read(settings: AgentSettings, headers: Mapping[str, str]) -> bool:
    """True if a request with these headers may read what the agent knows about the watchers."""
    return settings.reading_is_open or _has_token(settings, headers)


def _has_token(settings: AgentSettings, headers: Mapping[str, str]) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    token = settings.token
    return (
        token is not None
        and scheme.lower() == "bearer"
        and hmac.compare_digest(given.strip().encode(), token.get_secret_value().encode())
    )


def is_of_this_host(host_header: str, own_name: str) -> bool:
    """True if a Host header names this host by address, as localhost, or as configured, and not by a name from foreign DNS."""
    host = _HOST.fullmatch(host_header)
    name = (host["address"] or host["name"]) if host else ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower() in _LOCAL_NAMES | {own_name.lower()}
    return True


def _not_kept(send: Send) -> Send:
    """Wrap `send` so that it adds the headers NOT_KEPT unless the answer already has them."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in NOT_KEPT.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers


def _unauthorized(otherwise: str = "") -> Response:
    response = _refused(401, "the token is missing or wrong", f"send it as Authorization: Bearer <token>{otherwise}")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _refused(status: int, error: str, hint: str) -> Response:
    return JSONResponse({"error": error, "hint": hint}, status)
