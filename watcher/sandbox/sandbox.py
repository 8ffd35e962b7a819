"""Runs MongoDB and Kafka together, for as long as a `with` block."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from watcher.sandbox.kafka import find_broker
from watcher.sandbox.mongod import ReplicaSet


class Sandbox:
    """A replica set of one node and a Kafka broker, on free ports of 127.0.0.1.

    They keep their data in `directory`, or in a temporary one that is removed with them. They are stopped when the block is left,
    also by Ctrl-C or SIGTERM, and by the kernel if this process is killed.
    """

    def __init__(self, directory: Path | None = None, *, mongodb_port: int | None = None, kafka_port: int | None = None) -> None:
        self._stack = ExitStack()
        self.directory = directory or Path(self._stack.enter_context(_temporary_directory()))
        self.mongodb = ReplicaSet(self.directory / "mongodb", ports=[mongodb_port] if mongodb_port else [])
        self.kafka = find_broker(self.directory / "kafka", kafka_port)

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(sigterm_unwinds())
            self._stack.enter_context(self.mongodb)
            self._stack.enter_context(self.kafka)
        except BaseException:
            self._stack.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def mongodb_uri(self, database: str) -> str:
        """The value for `mongodb_uri` in a watcher's configuration."""
        return self.mongodb.uri(database)

    @property
    def kafka_brokers(self) -> str:
        """The value for `kafka_brokers` in a watcher's configuration."""
        return self.kafka.bootstrap


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM end the process as `sys.exit` does, so that `with` blocks are left. This works in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    # A server that had to be killed may still be writing its last file while the directory is emptied.
    return tempfile.TemporaryDirectory(prefix="watcher-sandbox-", ignore_cleanup_errors=True)
