"""Logging of a worker: JSON lines, or coloured text on a terminal; pymongo's and librdkafka's records come out the same way.

Records go through a bounded queue to a thread of their own, so that a log pipe that nobody reads never stops the stream: what does
not fit is dropped and counted.
"""

from __future__ import annotations

import contextlib
import logging
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
"""Loggers that tell every failed connection; the worker says it once, in its own words, so they speak at level debug only."""

LEVEL_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextlib.contextmanager
def logging_to(stream: TextIO, level: str, **fields: str) -> Iterator[None]:
    """Log to `stream` from `level` up, with `fields` on every line; flushed at the end, for at most two seconds."""
    handler = _QueueHandler(stream, _TextFormatter() if stream.isatty() else _JsonFormatter(fields))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.CRITICAL)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()


class _QueueHandler(logging.Handler):
    """Formats in the caller's thread and writes in its own."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(QUEUE_RECORDS)
        self._dropped = 0
        # A daemon: with a full pipe it hangs in write() for ever, and that must not keep the process alive.
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line, or count it as dropped."""
        try:
            if self._dropped and not self._lines.full():
                record.dropped, self._dropped = self._dropped, 0
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:  # noqa: BLE001 - logging's own way: a record that can't be formatted is reported, not raised
            self.handleError(record)

    def close(self) -> None:
        """Let the writer finish; not for ever."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            self._writer.join(DRAIN_SECONDS)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # a full disk or a closed pipe: the stream of changes goes on without its log
                self._dropped += 1


class _JsonFormatter(logging.Formatter):
    """`{"ts", "level", "event", "watcher", "database", …}` and whatever `extra=` brought."""

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
        return orjson.dumps(line, default=str).decode()


class _TextFormatter(logging.Formatter):
    """For people: time, level in colour, text, then the rest as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback below it where there is one."""
        level = record.levelname.lower()
        extra = "".join(f"  \x1b[2m{key}=\x1b[0m{value}" for key, value in _extra(record).items())
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{clock} \x1b[{LEVEL_COLOURS[level]}m{level:<7}\x1b[0m {record.getMessage()}{extra}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def iso(seconds: float) -> str:
    """Seconds since 1970 as `2024-01-01T12:00:00.000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def standard_output() -> TextIO:
    """Standard output for logs: a character that the locale cannot hold is no reason to fail."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return sys.stdout
