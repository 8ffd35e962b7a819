"""A schema registry in the test's own process, for faults that a real one does not have on demand."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class FakeRegistry:
    """Subjects with their schemas, and the faults that are asked for. Only the same schema is compatible."""

    def __init__(self, first_id: int = 1) -> None:
        self.subjects: dict[str, list[int]] = {}
        self.schemas: dict[int, str] = {}
        self.next_id = first_id
        self.requests: list[tuple[str, str, str]] = []
        """Method, path with its query, and the header Authorization of each request."""
        self.fails_with: tuple[int, Any] | None = None
        """Status and content of every answer."""
        self.holds = threading.Event()
        """Set while requests are answered; cleared, they wait."""
        self.holds.set()
        self.url = ""

    def wipe(self, next_id: int) -> None:
        """Forget everything. The next schema gets `next_id`."""
        self.subjects.clear()
        self.schemas.clear()
        self.next_id = next_id

    def register(self, subject: str, schema: str) -> int:
        """Return the id of the schema, as the subject's latest."""
        number = next((number for number, text in self.schemas.items() if text == schema), self.next_id)
        if number == self.next_id:
            self.next_id += 1
        self.schemas[number] = schema
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return status and content for a request."""
        match [method, *(unquote(part) for part in path.strip("/").split("/"))]:
            case ["GET", "subjects"]:
                return 200, sorted(self.subjects)
            case ["POST", "subjects", subject, "versions"]:
                return 200, {"id": self.register(subject, body["schema"])}
            case ["POST", "subjects", subject]:
                found = [number for number in self.subjects.get(subject, ()) if self.schemas[number] == body["schema"]]
                return (200, {"id": found[0]}) if found else (404, {"error_code": 40403, "message": "Schema not found"})
            case ["POST", "compatibility", "subjects", subject, "versions", "latest"] if subject in self.subjects:
                return 200, {"is_compatible": self.schemas[self.subjects[subject][-1]] == body["schema"]}
            case ["GET", "subjects", subject, "versions", "latest"] if subject in self.subjects:
                number = self.subjects[subject][-1]
                return 200, {"id": number, "schema": self.schemas[number]}
            case ["GET", "schemas", "ids", number] if int(number) in self.schemas:
                return 200, {"schema": self.schemas[int(number)]}
        return 404, {"error_code": 40401, "message": "not found"}


@contextmanager
def fake_registry(first_id: int = 1, tls: ssl.SSLContext | None = None) -> Iterator[FakeRegistry]:
    """Serve an empty registry on a free port of the loopback, with TLS if there is a context for it."""
    registry = FakeRegistry(first_id)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.requests.append((self.command, self.path, self.headers.get("Authorization", "")))
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            registry.holds.wait(30)
            told = registry.fails_with or registry.answer(
                self.command, urlsplit(self.path).path, json.loads(body) if body[:1] == b"{" else body.decode()
            )
            status, content = told
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the client did not wait
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    registry.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.holds.set()
        server.shutdown()
        server.server_close()
        thread.join()
