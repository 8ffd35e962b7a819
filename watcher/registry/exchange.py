"""One request and its answer over HTTP, with a deadline, and what becomes of a server that does not answer."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from watcher.errors import KEEPS_TRYING, Outage
from watcher.registry.authentication import tls_context

COMPONENT = "schema-registry"
"""The registry's name in outages."""

TIMEOUT_SECONDS = 5
LARGEST_ANSWER = 16 * 1024 * 1024


class Exchange:
    """Sends requests to the servers of `[schema_registry]`. Each has a connection of its own, since there are few."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = properties
        self._timeout = float(properties.get("timeout", TIMEOUT_SECONDS))

    def send(self, url: str, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send a request for `path` to the server of `url`; returns status and body of the answer.

        Errors: Outage; ConfigurationError if a file for TLS cannot be used.
        """
        connection = self._connection(url)
        until = time.monotonic() + self._timeout
        try:
            connection.request(method, path, data, dict(headers))
            response = connection.getresponse()
            answer = b""
            while (piece := response.read1(LARGEST_ANSWER)) and len(answer) < LARGEST_ANSWER:
                answer += piece
                if time.monotonic() > until:
                    raise TimeoutError("it sends too slowly")
        except ssl.SSLError as error:
            hint = f'"ssl.ca.location" in [schema_registry] names the certificates to trust. {KEEPS_TRYING}'
            raise outage(url, f"cannot be trusted: {error}", "tls", hint) from error
        except TimeoutError as error:
            raise outage(url, f"does not answer within {self._timeout:.0f} s", "timed_out") from error
        except (OSError, http.client.HTTPException) as error:
            raise outage(url, f"cannot be reached: {error}", "unreachable") from error
        finally:
            connection.close()
        return response.status, answer

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=self._timeout)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return tls_context(self._properties)


def outage(url: str, text: str, code: str, hint: str = "") -> Outage:
    """Make the error of a server that cannot be used for now."""
    hint = hint or f"Check `url` in [schema_registry], and that the registry runs. {KEEPS_TRYING}"
    return Outage(f"The schema registry at {shown(url)} {text}", hint=hint, component=COMPONENT, code=code)


def shown(url: str) -> str:
    """Return an address without user and password."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
