"""An OAuth server in the test's own process, which gives out tokens that live for seconds (RFC 6749, 4.4, and RFC 7517)."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

HOST = "127.0.0.1"
AUDIENCE = "kafka"


class TokenServer:
    """`clients` are the secrets by client id; they may be changed at any time. `is_away`: it hangs up on whoever asks for a token.

    The keys are always told, because the broker asks for them again whenever it likes.
    """

    def __init__(self, life_s: int, clients: Mapping[str, str]) -> None:
        self.life_s = life_s
        self.clients = dict(clients)
        self.is_away = False
        self.issued: list[tuple[float, str]] = []
        """The time at which each token was given out, in seconds since 1970, and the client to which."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = ThreadingHTTPServer((HOST, 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, name="token-server")

    @property
    def url(self) -> str:
        """The address before the path."""
        return f"http://{HOST}:{self._server.server_port}"

    def login(self, client: str) -> dict[str, str]:
        """The properties of the `[kafka]` table with which `client` gets its tokens here."""
        return {
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": client,
            "sasl.oauthbearer.client.secret": self.clients[client],
            "sasl.oauthbearer.token.endpoint.url": f"{self.url}/token",
        }

    def token_for(self, authorization: str, form: Mapping[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Return status and content of the answer to somebody who wants a token."""
        client, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if form.get("grant_type") != ["client_credentials"]:
            return 400, {"error": "unsupported_grant_type"}
        if self.clients.get(client) != secret:
            return 401, {"error": "invalid_client", "error_description": "Bad client credentials"}
        now = time.time()
        self.issued.append((now, client))
        claims = {"sub": client, "aud": AUDIENCE, "iat": int(now), "exp": int(now) + self.life_s}
        return 200, {"access_token": self._signed(claims), "token_type": "Bearer", "expires_in": self.life_s}

    def keys(self) -> dict[str, Any]:
        """Return the public key as a JWK set."""
        numbers = self._key.public_key().public_numbers()
        modulus, exponent = (_url64(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": modulus, "e": exponent}]}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _signed(self, claims: Mapping[str, Any]) -> str:
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "1"}, claims)]
        content = ".".join(map(_url64, parts))
        return f"{content}.{_url64(self._key.sign(content.encode(), padding.PKCS1v15(), SHA256()))}"


def _url64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _handler_of(tokens: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, tokens.keys())

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if not tokens.is_away:
                self._answer(*tokens.token_for(self.headers.get("Authorization", ""), form))

        def _answer(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
