"""Access to the agent: for whoever has its token, and on the loopback, if the settings let them, for others too; only to read."""

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
"""Scripts and styles hold no secret, and the form that asks for the token needs them."""

PROBES = ("/healthz", "/readyz")
"""On the loopback they answer anybody, so that a probe needs no token; without it `/readyz` names no watcher."""

MACHINE_PATHS = ("/api/", "/metrics", *PROBES)
"""What programs ask for; anything else is a page for people."""

NOT_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of all that is not public: no browser and no proxy keeps it, and none guesses what it is."""

_READING = {"GET", "HEAD"}
_LOCAL_NAMES = {"localhost", "ip6-localhost"}
_HOST = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::\d*)?")


class Guard:
    """ASGI middleware that answers what is not permitted itself. `sign_in` makes the page for a browser without the token.

    It decides by the scope's path, which is the one that is routed. The path of `request.url` is put together with the Host header,
    which anybody may choose: up to Starlette 1.0.0 `Host: x/static/` made every path begin with `/static/` (CVE-2026-48710).

    On the loopback any page that the user visits could send requests here. It cannot read the answers, since no CORS header
    permits it, unless its name is made to mean this host (DNS rebinding); then the Host header has that name.
    """

    def __init__(self, app: ASGIApp, settings: AgentSettings, sign_in: Callable[[], Response]) -> None:
        self._app = app
        self._settings = settings
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it. What is no HTTP request ends here."""
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
        """The loopback needed no token to read once: whoever is surprised learns how to have that again."""
        return _unauthorized("; or set read_without_token = true in conf.d/agent.toml" if self._settings.is_loopback else "")

    def _refusal_to_change(self, headers: Headers) -> Response | None:
        if self._settings.token is None:
            return _refused(
                403, "nothing can be changed here without a token", "set token in conf.d/agent.toml, then watcherctl apply"
            )
        return None if _has_token(self._settings, headers) else _unauthorized()


def may_read(settings: AgentSettings, headers: Mapping[str, str]) -> bool:
    """Right of a request with these headers to see what the agent knows of the watchers."""
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
    """Whether a Host header names this host in a way that no stranger's DNS can: by address, as localhost, or as configured."""
    host = _HOST.fullmatch(host_header)
    name = (host["address"] or host["name"]) if host else ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower() in _LOCAL_NAMES | {own_name.lower()}
    return True


def _not_kept(send: Send) -> Send:
    """`send`, with the headers NOT_KEPT where the answer does not have them itself."""

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
