"""The client for supervisord, whatever answers on its socket."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from watcher.fleet.errors import FleetError, NotRunning
from watcher.fleet.supervisord import Supervisord

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n"
END_OF_REQUEST = b"</methodCall>"

ANSWERS = {
    "nothing": b"",
    "no HTTP": b"nonsense\r\n",
    "no XML": HEAD + b"garbage",
    "no more": HEAD,  # as when supervisord is killed while it answers
    "half an answer": HEAD + b"<methodResponse><params><param><value><int>47",
    "no value": HEAD + b"<methodResponse></methodResponse>",
    "an error": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
}


@pytest.fixture
def path() -> Iterator[Path]:
    """Short, for a socket."""
    with tempfile.TemporaryDirectory(prefix="sv-", dir="/tmp") as directory:
        yield Path(directory) / "supervisor.sock"


def answer_all(listening: socket.socket, answer: bytes) -> None:
    """Answer until the socket is shut: whoever gets nothing asks once more."""
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            asked = b""
            while not asked.rstrip().endswith(END_OF_REQUEST):
                asked += connection.recv(65_536)
            connection.sendall(answer)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_is_none_is_an_error_of_the_fleet(path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        answering = threading.Thread(target=answer_all, args=(listening, answer))
        answering.start()
        try:
            with pytest.raises(FleetError, match="supervisord broke off the conversation"):
                Supervisord(path).processes()
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            answering.join()


def test_without_a_socket_it_does_not_run(path: Path) -> None:
    with pytest.raises(NotRunning):
        Supervisord(path).pid()
