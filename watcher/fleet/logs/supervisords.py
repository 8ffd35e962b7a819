"""supervisord's own log: its lines, and how the processes of its programs ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from watcher.fleet.logs.backwards import newest_first, pieces

MOST_BYTES = 1024 * 1024
"""Part of the log, from its end over its files, that is read in search of a crash."""

_LEVELS = {"CRIT": "critical", "ERRO": "error", "WARN": "warning", "INFO": "info"}
"""supervisord's levels, and what workers call them. Its others are for debugging."""

_LINE = re.compile(r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(?P<ms>\d{3}) (?P<level>[A-Z]{4}) (?P<event>.*)", re.DOTALL)
_END = re.compile(r"exited: (?P<program>\S+) \((?:terminated by (?P<signal>\w+)|exit status (?P<status>\d+))[^;]*; not expected\)")


def fields_of(text: str) -> dict[str, str] | None:
    """Read a line of the log: its time as ISO 8601 in UTC, its level by workers' names, and its event. None if it is no such line.

    supervisord writes this host's local time.
    """
    if not (found := _LINE.fullmatch(text)):
        return None
    try:
        at = datetime.fromisoformat(f"{found['at']}.{found['ms']}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    ts = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"ts": ts, "level": _LEVELS.get(found["level"], "debug"), "event": found["event"]}


def is_line(text: bytes) -> bool:
    """Judge a line of the log, as `pieces` wants it."""
    return fields_of(text.decode(errors="replace")) is not None


def last_crash(log: Path, program: str) -> tuple[datetime, str] | None:
    """Find the program's last end that supervisord did not expect: when, and "killed by SIGKILL" or "ended with exit code 1".

    None if the end of the log tells of none, or cannot be read. The crash may have been logged just before a rotation.
    """
    try:
        for line in _backwards(log, MOST_BYTES):
            fields = fields_of(line.decode(errors="replace"))
            end = _END.fullmatch(fields["event"]) if fields else None
            if fields and end and end["program"] == program:
                how = f"killed by {end['signal']}" if end["signal"] else f"ended with exit code {end['status']}"
                return datetime.fromisoformat(fields["ts"]), how
    except OSError:  # missing, or another user's
        pass
    return None


def _backwards(log: Path, most_bytes: int) -> Iterator[bytes]:
    """Yield the lines within the last `most_bytes` of all files of the log, the last one first. Raises OSError."""
    for part in newest_first(log):
        size = part.stat().st_size
        for lines in pieces(part, most_bytes, is_line):
            yield from reversed(lines)
        most_bytes -= size
        if most_bytes <= 0:
            break
