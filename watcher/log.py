"""Logging of a worker: JSON lines, or coloured text on a terminal. Records of pymongo and librdkafka are written the same way.

Records go through a bounded queue to a thread of their own. So a log pipe that nobody reads never stops the stream: records that do
not fit are dropped and counted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

QUEUE_RECORDS = 10_000
DRAIN_SECONDS = 2.0

LIBRARIES = ("pymongo", "librdkafka")
"""Loggers that report every failed connection. The worker reports it once in its own words, so these write only at level debug."""

WITH_DOCUMENTS = ("pymongo.command",)
"""Those of the libraries' loggers that show commands and their replies, which hold documents."""

LEVEL_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}
DIM = "2"

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextlib.contextmanager
def logging_to(stream: TextIO, level: str, *, documents: bool = False, **fields: str) -> Iterator[None]:
    """Log to `stream` from `level` up, with `fields` on every line. At the end flush the log, for at most two seconds.

    The content of documents may be logged only with `documents`.
    """
    handler = _QueueHandler(stream, _TextFormatter() if stream.isatty() else _JsonFormatter(fields))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.CRITICAL)
    for name in WITH_DOCUMENTS:
        logging.getLogger(name).setLevel(logging.NOTSET if documents else logging.CRITICAL)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()


def dropped_records() -> int:
    """Number of log records of this process that were not written, because nobody read them in time or the disk was full."""
    return sum(handler.dropped for handler in logging.getLogger().handlers if isinstance(handler, _QueueHandler))


class _QueueHandler(logging.Handler):
    """Formats in the caller's thread and writes in its own."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(QUEUE_RECORDS)
        self._refused = 0  # counted by the callers' threads, under the handler's lock
        self._unwritten = 0  # counted by the writer
        self._told = 0
        # A daemon thread: with a full pipe it hangs in write() for ever, and that must not keep the process alive.
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    @property
    def dropped(self) -> int:
        """Records that were not written."""
        return self._refused + self._unwritten

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line, or count it as dropped."""
        dropped = self.dropped
        try:
            if dropped > self._told and not self._lines.full():
                record.dropped, self._told = dropped - self._told, dropped
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._refused += 1
        except Exception:  # noqa: BLE001 - logging's own way: a record that can't be formatted is reported, not raised
            self.handleError(record)

    def close(self) -> None:
        """Let the writer finish, for at most DRAIN_SECONDS."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            self._writer.join(DRAIN_SECONDS)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # full disk or closed pipe: the stream of changes goes on without its log
                self._unwritten += 1


class _JsonFormatter(logging.Formatter):
    """Writes `{"ts", "level", "event", "watcher", "database", …}` and the fields of `extra=`."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "ts": iso(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self._fields,
        }
        line |= _extra(record)
        if record.name in LIBRARIES or record.name.startswith(LIBRARIES):
            line["logger"] = record.name
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # a path or a file name that is not UTF-8, a number beyond 64 bits
            return json.dumps(line, default=str)


class _TextFormatter(logging.Formatter):
    """Writes for people: time, level in colour (https://no-color.org), text, then the rest as key=value."""

    def __init__(self) -> None:
        super().__init__()
        self._coloured = not os.environ.get("NO_COLOR")

    def format(self, record: logging.LogRecord) -> str:
        """One line, followed by the traceback if there is one."""
        level = record.levelname.lower()
        extra = "".join(f"  {self._colour(DIM, key + '=')}{value}" for key, value in _extra(record).items())
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{clock} {self._colour(LEVEL_COLOURS[level], f'{level:<7}')} {record.getMessage()}{extra}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    def _colour(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def iso(moment: float | datetime) -> str:
    """Write a time, or seconds since 1970, as `2024-01-01T12:00:00.000Z`."""
    at = moment.astimezone(UTC) if isinstance(moment, datetime) else datetime.fromtimestamp(moment, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def standard_output() -> TextIO:
    """Return standard output for logs. Characters that the locale cannot encode are escaped instead of failing."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # TextIOWrapper, since nobody replaces it
    return sys.stdout
