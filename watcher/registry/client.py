"""Requests to a schema registry, by the interface of Confluent's, which Apicurio, Karapace and Redpanda have as well.

This is the standard library alone: the few requests need no more, and Confluent's client would cost each worker 22 MiB.
Source: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from watcher.errors import CredentialsRefused, NotPermitted, Outage
from watcher.registry.authentication import FORM, Authentication
from watcher.registry.exchange import COMPONENT, Exchange, outage, shown

JSON_TYPE = "application/vnd.schemaregistry.v1+json"

PASSING = frozenset({408, 425, 429})
"""Statuses below 500 that do not last."""


class Refusal(Exception):
    """A request that the registry does not grant: HTTP status, the registry's own code, and its words."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(f"{text} (HTTP {status}, {code})")
        self.status = status
        self.code = code
        self.text = text


class SchemaRegistry:
    """One registry, at one or several addresses."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        """`properties` are those of `[schema_registry]`. Errors: ConfigurationError if a file of them cannot be used."""
        self._urls = [url.strip().rstrip("/") for url in str(properties["url"]).split(",")]
        self._properties = properties
        self._exchange = Exchange(properties)
        self._authentication = Authentication(properties, self._post_form)

    @property
    def place(self) -> str:
        """The first address, without a password."""
        return shown(self._urls[0])

    def subjects(self) -> list[str]:
        """Return the names of all subjects. Errors: as `ask`."""
        return list(map(str, self.ask("GET", "/subjects")))

    def register(self, subject: str, schema: str, *, normalize: bool) -> int:
        """Register a schema, unless it is there already; returns its id. Errors: as `ask`."""
        return self._id(self.ask("POST", f"/subjects/{_quoted(subject)}/versions{_query(normalize)}", {"schema": schema}))

    def look_up(self, subject: str, schema: str, *, normalize: bool) -> int:
        """Return the id of a schema that is registered. Errors: as `ask`; Refusal with status 404 if it is not."""
        return self._id(self.ask("POST", f"/subjects/{_quoted(subject)}{_query(normalize)}", {"schema": schema}))

    def latest(self, subject: str) -> tuple[int, str]:
        """Return id and text of the subject's latest schema. Errors: as `ask`; Refusal with status 404 if there is none."""
        answer = self.ask("GET", f"/subjects/{_quoted(subject)}/versions/latest")
        return self._id(answer), self._schema(answer)

    def schema(self, number: int) -> str:
        """Return the schema of an id. Errors: as `ask`; Refusal with status 404 if there is none."""
        return self._schema(self.ask("GET", f"/schemas/ids/{number}"))

    def is_compatible(self, subject: str, schema: str) -> bool:
        """Return True if the subject would take the schema as its next version. Errors: as `ask`."""
        path = f"/compatibility/subjects/{_quoted(subject)}/versions/latest"
        return bool(self.ask("POST", path, {"schema": schema}).get("is_compatible", True))

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request to the first address that answers; returns the JSON.

        Errors: Outage; CredentialsRefused, NotPermitted; Refusal for whatever else is no success.
        """
        data = None if body is None else json.dumps(body).encode()
        error: Outage | None = None
        for url in self._urls:
            try:
                status, answer = self._sent(url, method, path, data)
            except Outage as missed:
                error = error or missed
                continue
            return self._content(url, status, answer)
        raise error or Outage(f"The schema registry at {self.place} does not answer.", component=COMPONENT)

    def _sent(self, url: str, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        headers = {"Accept": f"{JSON_TYPE}, application/json", "Content-Type": JSON_TYPE, **self._login(url)}
        status, answer = self._exchange.send(url, method, urlsplit(url).path + path, data, headers)
        if status >= 500 or status in PASSING:
            raise outage(url, f"answers with HTTP {status}: {_words(answer)[1]}", "server_error")
        return status, answer

    def _login(self, url: str) -> dict[str, str]:
        try:
            return self._authentication.headers(url)
        except (ValueError, TypeError) as error:
            raise outage(str(self._properties["bearer.auth.issuer.endpoint.url"]), f"gives no token: {error}", "token") from error

    def _post_form(self, url: str, form: bytes, headers: Mapping[str, str]) -> bytes:
        parts = urlsplit(url)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        status, answer = self._exchange.send(url, "POST", path, form, {"Content-Type": FORM, **headers})
        if status in (400, 401, 403):
            raise self._refused_credentials(url, answer)
        if status != 200:
            raise outage(url, f"gives no token: HTTP {status}", "token")
        return answer

    def _content(self, url: str, status: int, answer: bytes) -> Any:
        """Return the JSON of a successful answer."""
        code, text = _words(answer)
        if status == 401:
            self._authentication.forget()
            raise self._refused_credentials(url, answer)
        if status == 403:
            raise NotPermitted(
                f"The schema registry at {shown(url)} does not permit this: {text}",
                hint="Grant this user reading and writing of the watcher's subjects.",
            )
        if status >= 300:
            raise Refusal(status, code, text)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise outage(url, "does not answer as a schema registry: no JSON", "no_registry") from error

    def _refused_credentials(self, url: str, answer: bytes) -> CredentialsRefused:
        return CredentialsRefused(
            f"The schema registry at {shown(url)} refuses the credentials: {_words(answer)[1]}",
            hint='Correct "basic.auth.user.info" or "bearer.auth.…" in [schema_registry].',
            component=COMPONENT,
        )

    def _id(self, answer: Any) -> int:
        number = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(number, int) or not 0 <= number < 2**31:
            raise outage(self._urls[0], "does not answer as a schema registry: no id", "no_registry")
        return number

    def _schema(self, answer: Any) -> str:
        schema = answer.get("schema") if isinstance(answer, dict) else None
        if not isinstance(schema, str):
            raise outage(self._urls[0], "does not answer as a schema registry: no schema", "no_registry")
        return schema


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


def _query(normalize: bool) -> str:
    return "?normalize=true" if normalize else ""


def _words(answer: bytes) -> tuple[int, str]:
    """Return the registry's code and words in an error; they are for people, and so short."""
    try:
        told = json.loads(answer)
        return int(told["error_code"]), str(told["message"])[:500]
    except (ValueError, TypeError, LookupError):
        return 0, answer[:200].decode(errors="replace").strip() or "nothing more"
