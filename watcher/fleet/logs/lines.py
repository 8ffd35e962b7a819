"""Lines of the workers' logs, and the last lines of several files merged by time."""

from __future__ import annotations

import heapq
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from watcher.config.deployment import SUPERVISORD
from watcher.fleet.logs.backwards import is_json_object, json_object, newest_first, pieces
from watcher.fleet.logs.supervisords import fields_of, is_line

LEVELS = ("debug", "info", "warning", "error", "critical")
NO_TIME = datetime.min.replace(tzinfo=UTC)

_HEAD = ("ts", "level", "event", "watcher", "database")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a worker's log, or of supervisord's, whose lines are text and have fields too. For a worker's line that is not
    JSON, such as a traceback's, `fields` is None, and `at` is the time of the line before."""

    watcher: str
    text: str
    at: datetime = NO_TIME
    fields: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter for lines. Lines that are not JSON have no level and pass at any level: they are there because something broke."""

    level: str = "debug"
    since: datetime = NO_TIME

    @property
    def unwanted(self) -> re.Pattern[bytes]:
        """The beginning of lines that are unwanted whatever follows; see `head_of`."""
        return head_of(self.level)

    def __contains__(self, line: Line) -> bool:
        if line.at < self.since:
            return False
        return line.fields is None or _severity(str(line.fields.get("level"))) >= _severity(self.level)


def _severity(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def parse(watcher: str, texts: Iterable[str], before: datetime = NO_TIME) -> Iterator[Line]:
    """Parse lines of text as log lines. `before` is the time of the line before them."""
    at = before
    for text in texts:
        fields = fields_of(text) if watcher == SUPERVISORD else json_object(text)
        if fields is not None:
            at = _time(fields) or at
        yield Line(watcher, text, at, fields)


def _time(fields: Mapping[str, Any]) -> datetime | None:
    """The time in UTC; None if there is none, or a year that Python does not know."""
    try:
        at = datetime.fromisoformat(str(fields.get("ts")))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def pairs(fields: Mapping[str, Any]) -> list[str]:
    """The fields of a line except time, level, event, watcher and database, as `key=value`. Text without spaces is not quoted."""
    return [f"{key}={_value(value)}" for key, value in fields.items() if key not in _HEAD]


def _value(value: Any) -> str:
    bare = isinstance(value, str) and value and " " not in value
    return value if bare else json.dumps(value, ensure_ascii=False)


def last_lines(files: Mapping[str, Path], count: int, wanted: Wanted, most_bytes: float = math.inf) -> list[Line]:
    """The last `count` wanted lines of all files together, oldest first. Only the last `most_bytes` or so of each log are read."""
    tails = [_tail(watcher, path, count, wanted, most_bytes) for watcher, path in files.items()]
    merged = list(heapq.merge(*tails, key=lambda line: line.at))
    return merged[-count:] if count else []


def _tail(watcher: str, path: Path, count: int, wanted: Wanted, most_bytes: float) -> list[Line]:
    """The last wanted lines of one log. Older files, `.1` and so on, are opened only if the newer ones do not hold enough."""
    lines: list[Line] = []
    for part in newest_first(path):
        try:
            lines = _end(watcher, part, count - len(lines), wanted, most_bytes) + lines
            most_bytes -= part.stat().st_size
        except FileNotFoundError:  # it is being rotated
            continue
        if len(lines) >= count or most_bytes <= 0:
            break
    return lines[-count:] if count else []


def _end(watcher: str, path: Path, count: int, wanted: Wanted, most_bytes: float) -> list[Line]:
    """At least the last `count` wanted lines of one file, or all it has. A file is in the order of time."""
    found: list[list[Line]] = []
    for texts in pieces(path, most_bytes, is_line if watcher == SUPERVISORD else is_json_object):
        found.append([line for line in _parsed(watcher, texts, wanted.unwanted) if line in wanted])
        count -= len(found[-1])
        (oldest,) = parse(watcher, [_decoded(texts[0])])
        if count <= 0 or NO_TIME < oldest.at < wanted.since:
            break
    return [line for lines in reversed(found) for line in lines]


def _parsed(watcher: str, texts: Iterable[bytes], unwanted: re.Pattern[bytes]) -> Iterator[Line]:
    """Parse lines as `parse` does, and leave out those with an unwanted beginning: nearly all, if errors are looked for."""
    at, left_out = NO_TIME, b""
    for text in filter(None, texts):
        head = unwanted.match(text)
        if head and text.endswith(b"}"):
            left_out = head[1]
            continue
        at, left_out = (left_out and _time({"ts": left_out.decode()})) or at, b""
        (line,) = parse(watcher, [_decoded(text)], at)
        at = line.at
        yield line


@lru_cache
def head_of(below: str, event: str = "") -> re.Pattern[bytes]:
    """The beginning of a line of a level below this one, or about this event, as workers write it; its group is the time."""
    kinds = [*LEVELS[: _severity(below)], *([rf'[a-z]+", ?"event": ?"{re.escape(event)}'] if event else ())]
    return re.compile(rf'{{"ts": ?"([^"\\]+)", ?"level": ?"(?:{"|".join(kinds) or "(?!)"})"'.encode())


def _decoded(text: bytes) -> str:
    return text.decode(errors="replace")
