"""Authentication to a schema registry: basic, a fixed token, or a token of an OAuth server; and TLS."""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from watcher.errors import ConfigurationError

Post = Callable[[str, bytes, Mapping[str, str]], bytes]
"""Sends a form to a URL, with these headers, and returns the answer."""

EARLY = 0.8
"""Share of a token's life after which a new one is fetched."""

FORM = "application/x-www-form-urlencoded"


class Authentication:
    """Makes the headers by which the registry knows a client. A token of an OAuth server is fetched when it is needed."""

    def __init__(self, properties: Mapping[str, Any], post: Post) -> None:
        self._properties = properties
        self._post = post
        self._token = ""
        self._token_until = 0.0

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers of a request to `url`. Errors: those of `post`; ValueError if the OAuth server sends no token."""
        told = self._properties
        source = told.get("bearer.auth.credentials.source")
        if source:
            token = told["bearer.auth.token"] if source == "STATIC_TOKEN" else self._oauth_token()
            names = {
                "target-sr-cluster": "bearer.auth.logical.cluster",
                "Confluent-Identity-Pool-Id": "bearer.auth.identity.pool.id",
            }
            return {"Authorization": f"Bearer {token}", **{name: str(told[key]) for name, key in names.items() if key in told}}
        user_info = str(told.get("basic.auth.user.info", "")) or _user_info_of(url)
        return _basic(user_info) if user_info else {}

    def forget(self) -> None:
        """Forget the token of the OAuth server, since it was refused."""
        self._token_until = 0.0

    def _oauth_token(self) -> str:
        if time.monotonic() >= self._token_until:
            told = self._properties
            form = {
                "grant_type": "client_credentials",
                **({"scope": told["bearer.auth.scope"]} if "bearer.auth.scope" in told else {}),
            }
            client = _basic(f"{told['bearer.auth.client.id']}:{told['bearer.auth.client.secret']}")
            answer = json.loads(self._post(told["bearer.auth.issuer.endpoint.url"], urlencode(form).encode(), client))
            token = answer.get("access_token") if isinstance(answer, dict) else None
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise ValueError("the answer holds no access_token")
            self._token = token
            self._token_until = time.monotonic() + EARLY * float(answer.get("expires_in") or 0)
        return self._token


def _basic(user_info: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(user_info.encode()).decode()}"}


def _user_info_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""


def tls_context(properties: Mapping[str, Any]) -> ssl.SSLContext:
    """Make the context of connections. Errors: ConfigurationError if a file cannot be used."""
    key = "ssl.ca.location"
    try:
        context = ssl.create_default_context(cafile=properties.get(key))
        if certificate := properties.get("ssl.certificate.location"):
            key = "ssl.certificate.location"
            context.load_cert_chain(certificate, properties["ssl.key.location"], properties.get("ssl.key.password"))
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            f"[schema_registry] {key} cannot be used: {error}", hint="It names a file in PEM format that this user can read."
        ) from error
    return context
