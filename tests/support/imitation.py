"""A server that speaks MongoDB's protocol and is none: it answers each command with what a test has it say."""

from __future__ import annotations

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import bson

Document = Mapping[str, Any]

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HEADER = struct.Struct("<iiii")
FLAGS = struct.Struct("<I")
SIZE = struct.Struct("<i")
REPLY_PREFIX = struct.pack("<iqii", 0, 0, 0, 1)
"""Of an OP_REPLY with one document, which is how the driver's first `hello` is answered."""


class Imitation:
    """Listens on a free port of 127.0.0.1 as the primary of a replica set, for the `with` block.

    `answers` has the reply to each command by its name; a command without one is unknown, as in MongoDB. `hello` changes how the
    server introduces itself; a value of None leaves the field out. With `tls` it speaks TLS.
    """

    def __init__(self, answers: Mapping[str, Document], hello: Document | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.tls = tls
        self._server.answers = dict(answers)
        port = self._server.server_address[1]
        self.address = f"127.0.0.1:{port}"
        self._server.answers |= dict.fromkeys(("hello", "ismaster"), self._introduction(hello or {}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def uri(self, database: str) -> str:
        """A connection string."""
        return f"mongodb://{self.address}/{database}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _introduction(self, changed: Document) -> dict[str, Any]:
        member = {"setName": "rs0", "hosts": [self.address], "me": self.address, "isWritablePrimary": True, "ismaster": True}
        versions = {"minWireVersion": 0, "maxWireVersion": 17, "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000}
        whole = {"ok": 1, **member, **versions, "maxWriteBatchSize": 100000, "logicalSessionTimeoutMinutes": 30, **changed}
        return {name: value for name, value in whole.items() if value is not None}


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    answers: dict[str, Document]
    tls: ssl.SSLContext | None

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.tls:  # the handshake is made at the first read, in the connection's thread
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address


class _Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    server: _Server

    def handle(self) -> None:
        while header := self.rfile.read(HEADER.size):
            length, request, _, operation = HEADER.unpack(header)
            body = self.rfile.read(length - HEADER.size)
            answer = bson.encode(self._answer(bson.decode(_command_in(body, operation))))
            if operation == OP_QUERY:
                self._send(request, OP_REPLY, REPLY_PREFIX + answer)
            else:
                self._send(request, OP_MSG, FLAGS.pack(0) + b"\0" + answer)

    def _answer(self, command: Document) -> Document:
        name = next(iter(command))
        unknown = {"ok": 0, "code": 59, "codeName": "CommandNotFound", "errmsg": f"no such command: '{name}'"}
        return self.server.answers.get(name, unknown)

    def _send(self, request: int, operation: int, body: bytes) -> None:
        self.wfile.write(HEADER.pack(HEADER.size + len(body), 0, request, operation) + body)


def _command_in(body: bytes, operation: int) -> bytes:
    """The command's document: after flags and a section's kind, or in the old form after flags, a name and two numbers."""
    start = FLAGS.size + 1 if operation == OP_MSG else body.index(0, FLAGS.size) + 1 + 2 * SIZE.size
    return body[start : start + SIZE.unpack_from(body, start)[0]]
